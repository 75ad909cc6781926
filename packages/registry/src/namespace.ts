import type { FastifyReply, FastifyRequest } from 'fastify'
import { queryValue } from './request.ts'
import { repositoryUnknown } from './unknown.ts'

/**
 * Look at `?ns=`, by which a client that takes this registry for a mirror names the registry it means (OCI
 * distribution, "Registry Proxying"; containerd sends it).
 *
 * @param names by which clients know this registry; when empty, any name will do
 * @throws OciError `NAME_UNKNOWN` when another registry is meant, so that the client goes on to that one
 */
export function checkNamespace(
  request: FastifyRequest,
  reply: FastifyReply,
  name: string,
  names: ReadonlySet<string>
): void {
  const ns = queryValue(request, 'ns')
  if (ns === undefined || names.size === 0) return
  if (!names.has(ns)) throw repositoryUnknown(`${ns.slice(0, 255)}/${name}`)
  reply.header('oci-namespace', ns)
}
