import { OciError } from '@shoal/oci'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Page } from './metadata.ts'
import { queryValue } from './request.ts'

/**
 * The part of a list that `?n=&last=` asks for (OCI distribution, "Listing Tags"), never more than `max` entries.
 *
 * @throws OciError `UNSUPPORTED` with status 400 when `n` is not a number
 */
export function askedPage(request: FastifyRequest, max: number): Page {
  const n = queryValue(request, 'n')
  const after = queryValue(request, 'last')
  if (n !== undefined && !/^\d+$/.test(n)) {
    throw new OciError('UNSUPPORTED', `n has to be a number of entries, not "${n.slice(0, 50)}"`, { status: 400 })
  }
  return { limit: n === undefined ? max : Math.min(Number(n), max), ...(after === undefined ? {} : { after }) }
}

/** Say where the list goes on (RFC 8288). Relative, so that it holds behind any proxy. */
export function linkNext(reply: FastifyReply, path: string, query: Readonly<Record<string, string>>): void {
  reply.header('link', `<${path}?${new URLSearchParams(query)}>; rel="next"`)
}
