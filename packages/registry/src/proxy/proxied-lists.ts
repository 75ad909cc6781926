import { type Descriptor, type Digest, isDigest, MEDIA_TYPES, OciError, parseDescriptor } from '@shoal/oci'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { sendJson } from '../json.ts'
import { askedPage, linkNext } from '../page.ts'
import { queryValue } from '../request.ts'
import { TAGS_PAGE_MAX } from '../tag-handlers.ts'
import { repositoryUnknown } from '../unknown.ts'
import type { ProxiedName } from './proxied-name.ts'
import type { Upstream } from './upstream.ts'

/** Longest list that is taken from an upstream, bytes. */
const LIST_MAX_BYTES = 4 * 1024 * 1024

/** A list that is to be sent. */
export interface UpstreamList {
  readonly mediaType: string
  readonly body: object
  /** Where it goes on. */
  readonly next?: { readonly path: string; readonly query: Readonly<Record<string, string>> }
  readonly isFiltered?: boolean
}

/** Answer with a list. */
export async function sendUpstreamList(reply: FastifyReply, list: UpstreamList): Promise<void> {
  if (list.isFiltered === true) reply.header('oci-filters-applied', 'artifactType')
  if (list.next !== undefined) linkNext(reply, list.next.path, list.next.query)
  await sendJson(reply, list.mediaType, list.body)
}

/**
 * The tags that the upstream has.
 *
 * @throws OciError `NAME_UNKNOWN` when it does not have the repository, or what the upstream throws
 */
export async function upstreamTags(
  request: FastifyRequest,
  upstream: Upstream,
  name: ProxiedName
): Promise<UpstreamList> {
  const { after, limit } = askedPage(request, TAGS_PAGE_MAX)
  const query = new URLSearchParams(queryValue(request, 'n') === undefined ? {} : { n: String(limit) })
  if (after !== undefined) query.set('last', after)
  const answer = await upstream.get(name.repository, `tags/list?${query}`, LIST_MAX_BYTES)
  if (answer.status !== 200) throw repositoryUnknown(name.local)
  const list = field(json(answer.bytes), 'tags')
  const tags = (Array.isArray(list) ? list : []).filter((tag): tag is string => typeof tag === 'string')
  const last = nextQuery(answer.headers.link)?.get('last') ?? undefined
  const path = `/v2/${name.local}/tags/list`
  const next = last === undefined ? {} : { next: { path, query: { n: query.get('n') ?? String(limit), last } } }
  return { mediaType: 'application/json', body: { name: name.local, tags }, ...next }
}

/**
 * What the upstream has that refers to a manifest; from the tag that clients keep up to date by custom, where
 * it has no list of it (OCI distribution, "Referrers Tag Schema").
 *
 * @throws what the upstream throws
 */
export async function upstreamReferrers(
  request: FastifyRequest,
  upstream: Upstream,
  name: ProxiedName,
  subject: Digest
): Promise<UpstreamList> {
  const artifactType = queryValue(request, 'artifactType')
  const last = queryValue(request, 'last')
  const query = new URLSearchParams(artifactType === undefined ? {} : { artifactType })
  if (last !== undefined) query.set('last', last)
  const answer = await upstream.get(name.repository, `referrers/${subject}?${query}`, LIST_MAX_BYTES)
  let bytes: Uint8Array | undefined = answer.status === 200 ? answer.bytes : undefined
  if (bytes === undefined) {
    const tag = subject.replace(':', '-').slice(0, 128)
    bytes = (await upstream.getManifest(name.repository, tag))?.bytes
  }
  const all = bytes === undefined ? [] : descriptors(bytes)
  const manifests = all.filter((each) => artifactType === undefined || each.artifactType === artifactType)
  const more = answer.status === 200 ? nextQuery(answer.headers.link) : undefined
  const path = `/v2/${name.local}/referrers/${subject}`
  const next = more === undefined ? {} : { next: { path, query: Object.fromEntries(more) } }
  const mediaType = MEDIA_TYPES.ociIndex
  const body = { schemaVersion: 2, mediaType, manifests }
  return { mediaType, body, isFiltered: artifactType !== undefined, ...next }
}

/** What can be read as descriptors; an upstream's mistake in one is none in the others. */
function descriptors(bytes: Uint8Array): Descriptor[] {
  const list = field(json(bytes), 'manifests')
  return (Array.isArray(list) ? list : []).flatMap((each: unknown) => {
    const digest = field(each, 'digest')
    if (typeof digest !== 'string' || !isDigest(digest)) return []
    try {
      return [parseDescriptor(each, 'a referrer')]
    } catch (error) {
      if (error instanceof OciError) return []
      throw error
    }
  })
}

/** The query of the next page: only that is taken over from an upstream, never its address. */
function nextQuery(link: string | undefined): URLSearchParams | undefined {
  const target = /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? '')?.[1]
  return target === undefined ? undefined : URL.parse(target, 'http://upstream')?.searchParams
}

function json(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    return undefined
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
