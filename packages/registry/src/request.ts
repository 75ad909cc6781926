import { OciError } from '@shoal/oci'
import type { FastifyRequest } from 'fastify'

/** How long a body that is read whole may take to come: 4 MiB at 70 KB/s, milliseconds. */
const BODY_MS = 60_000

/** One value of the query; the first where there are several. */
export function queryValue(request: FastifyRequest, name: string): string | undefined {
  return queryValues(request, name)[0]
}

/** All values that the query has under one name. */
export function queryValues(request: FastifyRequest, name: string): string[] {
  const { query } = request
  const value: unknown = typeof query === 'object' && query !== null ? Reflect.get(query, name) : undefined
  const values: unknown[] = Array.isArray(value) ? value : [value]
  return values.filter((each) => typeof each === 'string')
}

/** The announced length of the body in bytes; undefined for a body sent in pieces of unknown number. */
export function contentLength(request: FastifyRequest): number | undefined {
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers
  if (coding !== undefined) return undefined
  return length === undefined ? 0 : Number(length)
}

/**
 * The whole body in memory. A client that takes longer than a minute to send it is cut off.
 *
 * @throws OciError `SIZE_INVALID` with status 413 when it has more than `limit` bytes
 */
export async function readBody(request: FastifyRequest, limit: number): Promise<Buffer> {
  const tooLong = (): OciError =>
    new OciError('SIZE_INVALID', `the body has more than the ${limit} bytes that are accepted here`, { status: 413 })
  if ((contentLength(request) ?? 0) > limit) throw tooLong()
  const pieces: Uint8Array[] = []
  let length = 0
  const cut = setTimeout(() => request.raw.destroy(), BODY_MS)
  try {
    for await (const piece of request.raw.iterator({ destroyOnReturn: false })) {
      length += piece.length
      if (length > limit) throw tooLong()
      pieces.push(piece)
    }
  } finally {
    clearTimeout(cut)
  }
  return Buffer.concat(pieces, length)
}

/**
 * Read and forget what is left of the body, so that the client gets to read the answer and the connection can be used
 * again. One that has more than `limit` bytes left is cut off.
 */
export function drain(request: FastifyRequest, limit: number): void {
  const { raw } = request
  if (raw.readableEnded || raw.destroyed) return
  let left = limit
  raw.on('data', (piece: Uint8Array) => {
    left -= piece.length
    if (left < 0) raw.destroy()
  })
  raw.on('error', () => raw.destroy())
  raw.resume()
}
