import { type Digest, parseDigest } from './digest.ts'
import { OciError } from './errors.ts'

/** The registry that names without a host mean, by Docker's custom. */
export const DEFAULT_REGISTRY = 'docker.io'
const DEFAULT_TAG = 'latest'
const MAX_REPOSITORY_LENGTH = 255
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`)
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
const HOST = /^(?:\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?)(?::\d{1,5})?$/

/** Whether `text` may name a repository (OCI Distribution, "Pulling manifests"). */
export function isRepositoryName(text: string): boolean {
  return text.length <= MAX_REPOSITORY_LENGTH && REPOSITORY.test(text)
}

/** Whether `text` may be a tag. */
export function isTag(text: string): boolean {
  return TAG.test(text)
}

/** Where an image is. At least one of `tag` and `digest` is there. */
export interface Reference {
  /** `host[:port]` */
  readonly registry: string
  readonly repository: string
  readonly tag?: string
  readonly digest?: Digest
}

/**
 * Reads a reference as Docker does: without a host it is Docker Hub's, there a single name is in `library/`, and
 * without tag and digest the tag is `latest`.
 *
 * @throws OciError `NAME_INVALID` or `DIGEST_INVALID`, naming the part that is wrong
 */
export function parseReference(text: string): Reference {
  const at = text.indexOf('@')
  const digest = at < 0 ? undefined : parseDigest(text.slice(at + 1))
  const named = at < 0 ? text : text.slice(0, at)
  const colon = named.lastIndexOf(':')
  const tagged = colon > named.lastIndexOf('/') && !named.endsWith(']')
  const tag = tagged ? named.slice(colon + 1) : digest === undefined ? DEFAULT_TAG : undefined
  const { registry, repository } = splitHost(tagged ? named.slice(0, colon) : named)
  if (!isRepositoryName(repository)) throw invalid(text, `"${clip(repository)}" is not a repository name`)
  if (tag !== undefined && !isTag(tag)) throw invalid(text, `"${clip(tag)}" is not a tag`)
  if (!HOST.test(registry)) throw invalid(text, `"${clip(registry)}" is not a host`)
  return { registry, repository, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) }
}

function splitHost(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/')
  const host = name.slice(0, Math.max(0, slash))
  const isHost = host === 'localhost' || /[.:[]/.test(host) || host !== host.toLowerCase()
  const registry = isHost ? host : DEFAULT_REGISTRY
  const repository = isHost ? name.slice(slash + 1) : name
  const official = registry === DEFAULT_REGISTRY && !repository.includes('/')
  return { registry, repository: official ? `library/${repository}` : repository }
}

function invalid(text: string, why: string): OciError {
  return new OciError('NAME_INVALID', `"${clip(text)}" is not an image reference: ${why}`)
}

function clip(text: string): string {
  return text.slice(0, 200)
}

/** The inverse of {@link parseReference}, in full. */
export function formatReference(reference: Reference): string {
  const { registry, repository, tag, digest } = reference
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}
