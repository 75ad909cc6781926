import assert from 'node:assert/strict'
import { type Digest, type DigestAlgorithm, digestOf } from '@shoal/oci'
import { copy, type Harness } from '../harness.ts'

/** What every test of this folder is run with. */
export const ALGORITHMS: readonly DigestAlgorithm[] = ['sha256', 'sha512']
/** A repository that is not the one under test. */
export const OTHER = 'conformance/other'

const OCTETS = { 'content-type': 'application/octet-stream' }

/** Where an upload goes on, as an answer says. */
export function locationOf(response: Response): string {
  const location = response.headers.get('location')
  assert.ok(location, 'the answer has a Location')
  return location
}

/** A location with one more parameter: locations may have some already. */
export function withQuery(location: string, name: string, value: string): string {
  return `${location}${location.includes('?') ? '&' : '?'}${name}=${encodeURIComponent(value)}`
}

/** end-4a, end-4c: begin an upload. */
export async function beginUpload({ request }: Harness, name: string, query = ''): Promise<string> {
  const headers = { 'content-length': '0' }
  const response = await request(`/v2/${name}/blobs/uploads/${query}`, { method: 'POST', headers })
  assert.equal(response.status, 202)
  return locationOf(response)
}

/** end-5: send the bytes from `start` to `end` as a chunk. */
export async function sendChunk(
  { request }: Harness,
  location: string,
  bytes: Uint8Array,
  start: number,
  end: number
): Promise<Response> {
  const headers = { ...OCTETS, 'content-range': `${start}-${end - 1}` }
  return await request(location, { method: 'PATCH', headers, body: copy(bytes.subarray(start, end)) })
}

/** end-6: end an upload, with or without a last piece. */
export async function endUpload(
  { request }: Harness,
  location: string,
  digest: string,
  body?: Uint8Array,
  headers: Record<string, string> = {}
): Promise<Response> {
  const all = body === undefined ? { 'content-length': '0', ...headers } : { ...OCTETS, ...headers }
  const init = { method: 'PUT', headers: all, ...(body === undefined ? {} : { body: copy(body) }) }
  return await request(withQuery(location, 'digest', digest), init)
}

/** Sends a whole blob, and gives the answer that ends it. */
export type Way = (harness: Harness, name: string, bytes: Uint8Array, digest: string) => Promise<Response>

/** The ways in which a client may send all the bytes of a blob. */
export const WAYS: Readonly<Record<string, Way>> = {
  'one POST': async ({ request }, name, bytes, digest) =>
    await request(`/v2/${name}/blobs/uploads/?digest=${digest}`, {
      method: 'POST',
      headers: OCTETS,
      body: copy(bytes)
    }),
  'POST and PUT': async (harness, name, bytes, digest) =>
    await endUpload(harness, await beginUpload(harness, name), digest, bytes),
  'POST with the algorithm, and PUT': async (harness, name, bytes, digest) => {
    const algorithm = digest.slice(0, digest.indexOf(':'))
    return await endUpload(harness, await beginUpload(harness, name, `?digest-algorithm=${algorithm}`), digest, bytes)
  },
  'one chunk': async (harness, name, bytes, digest) => await inChunks(harness, name, bytes, digest, 1, false),
  'three chunks': async (harness, name, bytes, digest) => await inChunks(harness, name, bytes, digest, 3, false),
  'chunks, the last one with the PUT': async (harness, name, bytes, digest) =>
    await inChunks(harness, name, bytes, digest, 3, true),
  'a stream': async (harness, name, bytes, digest) => {
    const location = await beginUpload(harness, name)
    const body = ReadableStream.from([bytes.subarray(0, 100), bytes.subarray(100)])
    const init = { method: 'PATCH', headers: OCTETS, body, duplex: 'half' } as const
    const response = await harness.request(location, init)
    assert.equal(response.status, 202)
    return await endUpload(harness, locationOf(response), digest)
  }
}

async function inChunks(
  harness: Harness,
  name: string,
  bytes: Uint8Array,
  digest: string,
  count: number,
  isLastWithPut: boolean
): Promise<Response> {
  const length = Math.ceil(bytes.length / count)
  let location = await beginUpload(harness, name)
  for (let start = 0; start < bytes.length; start += length) {
    const end = Math.min(bytes.length, start + length)
    if (isLastWithPut && end === bytes.length) {
      const headers = { 'content-range': `${start}-${end - 1}` }
      return await endUpload(harness, location, digest, bytes.subarray(start, end), headers)
    }
    const response = await sendChunk(harness, location, bytes, start, end)
    assert.equal(response.status, 202)
    assert.equal(response.headers.get('range'), `0-${end - 1}`)
    location = locationOf(response)
  }
  return await endUpload(harness, location, digest)
}

/** Put a blob there for tests that are about something else. */
export async function havingBlob(
  harness: Harness,
  name: string,
  bytes: Uint8Array,
  algorithm: DigestAlgorithm = 'sha256'
): Promise<Digest> {
  const digest = digestOf(bytes, algorithm)
  const { request } = harness
  const response = await request(`/v2/${name}/blobs/uploads/?digest=${digest}`, { method: 'POST', body: copy(bytes) })
  assert.equal(response.status, 201)
  return digest
}
