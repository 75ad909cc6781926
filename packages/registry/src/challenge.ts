import type { FastifyRequest } from 'fastify'
import { type Anonymous, REALM } from './access.ts'

/** Where tokens are to be had. */
export const TOKEN_PATH = '/token'

const BASIC = `Basic realm="${REALM}"`

/**
 * What a refused client may show instead (RFC 9110, 11.6.1).
 *
 * Where everybody may pull but not push, docker and podman take what the answer to `GET /v2/` demands for everything
 * that follows: a demand for a password would end anonymous pulls, and none at all would end pushes with a password. A
 * token, which anybody gets, serves both. Other requests name both ways.
 *
 * @param repository that the request is about; undefined for `GET /v2/`
 */
export function challenges(request: FastifyRequest, anonymous: Anonymous, repository: string | undefined): string[] {
  const { host } = request.headers
  if (anonymous !== 'pull' || host === undefined || !/^[\w.:[\]-]+$/.test(host)) return [BASIC]
  // A proxy in front that speaks TLS says so.
  const scheme = request.headers['x-forwarded-proto'] === 'https' ? 'https' : 'http'
  const bearer = `Bearer realm="${scheme}://${host}${TOKEN_PATH}",service="${REALM}"`
  return repository === undefined ? [bearer] : [`${bearer},scope="repository:${repository}:pull,push"`, BASIC]
}
