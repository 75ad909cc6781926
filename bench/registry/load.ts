import { createHash } from 'node:crypto'
import { type Answer, HttpConnection } from './http-connection.ts'
import type { LoadJob, LoadResult } from './load-job.ts'
import { Payload } from './payload.ts'

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'
/** The blob that every manifest names, as config and as layer (OCI image, "Guidance for an Empty Descriptor"). */
const EMPTY_BLOB = Buffer.from('{}')
const EMPTY_DIGEST = `sha256:${createHash('sha256').update(EMPTY_BLOB).digest('hex')}`

/** Does a job and says how it went. @throws Error when the server answers anything but what it should */
export async function load(job: LoadJob): Promise<LoadResult> {
  let bytes = 0
  let next = 0
  let over = false
  const onBytes = (more: number): void => {
    if (!over) bytes += more
  }
  const connections = await Promise.all(
    Array.from({ length: job.concurrency }, () => HttpConnection.open(job.host, job.port, onBytes))
  )
  const one = requests(job)
  if (job.kind === 'push-manifests' && connections[0] !== undefined) await pushEmptyBlob(connections[0], job)
  const latenciesMs: number[] = []
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  let finishedAt = startedAt
  const cut = setTimeout(() => {
    over = true
    finishedAt = performance.now()
    for (const connection of connections) connection.destroy()
  }, job.budgetMs)
  const worker = async (connection: HttpConnection): Promise<void> => {
    while (next < job.count && !over) {
      const index = next++
      const begun = performance.now()
      try {
        await one(connection, index)
      } catch (error) {
        if (over) return
        throw error
      }
      latenciesMs.push(performance.now() - begun)
    }
  }
  await Promise.all(connections.map(worker))
  clearTimeout(cut)
  if (!over) finishedAt = performance.now()
  const cpu = process.cpuUsage(cpuBefore)
  for (const connection of connections) connection.destroy()
  return {
    seconds: (finishedAt - startedAt) / 1000,
    bytes,
    completed: latenciesMs.length,
    latenciesMs,
    clientCpuSeconds: (cpu.user + cpu.system) / 1e6
  }
}

type Request = (connection: HttpConnection, index: number) => Promise<void>

function requests(job: LoadJob): Request {
  const base = `/v2/${job.repository}`
  switch (job.kind) {
    case 'pull-blobs':
      return pullBlobs(base, job)
    case 'push-blobs':
      return pushBlobs(base, new Payload(job.size, job.salt))
    case 'pull-manifests':
      return async (connection, index) => {
        const path = `${base}/manifests/${manifestTag(job.salt, index)}`
        expectStatus(await connection.request('GET', path, { accept: MANIFEST_TYPE }), 200, path)
      }
    case 'push-manifests':
      return async (connection, index) => {
        const path = `${base}/manifests/${manifestTag(job.salt, index)}`
        const body = makeManifest(job.salt, index)
        const headers = { 'content-type': MANIFEST_TYPE, 'content-length': body.length }
        expectStatus(await connection.request('PUT', path, headers, [body]), 201, path)
      }
  }
}

function pullBlobs(base: string, job: LoadJob): Request {
  // Few blobs, each pulled many times, as when an image is rolled out.
  const payload = new Payload(job.size, job.salt)
  const paths = [0, 1, 2, 3].map((index) => `${base}/blobs/${payload.digest(index)}`)
  return async (connection, index) => {
    const path = paths[job.size > 100e6 ? 0 : index % paths.length] ?? ''
    const answer = await connection.request('GET', path)
    expectStatus(answer, 200, path)
    if (answer.bytes !== job.size) throw new Error(`${path} has ${answer.bytes} bytes, not ${job.size}`)
  }
}

function pushBlobs(base: string, payload: Payload): Request {
  return async (connection, index) =>
    await pushBlob(connection, base, payload.digest(index), payload.size, payload.pieces(index))
}

async function pushEmptyBlob(connection: HttpConnection, job: LoadJob): Promise<void> {
  await pushBlob(connection, `/v2/${job.repository}`, EMPTY_DIGEST, EMPTY_BLOB.length, [EMPTY_BLOB])
}

/** One POST and one PUT (OCI distribution, "Pushing a blob monolithically"). */
async function pushBlob(
  connection: HttpConnection,
  base: string,
  digest: string,
  size: number,
  body: Iterable<Uint8Array>
): Promise<void> {
  const begun = await connection.request('POST', `${base}/blobs/uploads/`, { 'content-length': 0 })
  expectStatus(begun, 202, 'POST')
  const location = /^location: *(\S+)/im.exec(begun.head)?.[1]
  if (location === undefined) throw new Error('the registry named no place for the upload')
  const target = new URL(location, 'http://registry')
  target.searchParams.set('digest', digest)
  const headers = { 'content-type': 'application/octet-stream', 'content-length': size }
  const path = `${target.pathname}${target.search}`
  expectStatus(await connection.request('PUT', path, headers, body), 201, path)
}

function expectStatus(answer: Answer, status: number, what: string): void {
  if (answer.status !== status) throw new Error(`${what} was answered ${answer.head}`)
}

function manifestTag(salt: string, index: number): string {
  return `${salt}-${index}`
}

/** A small image manifest that no other has the digest of. */
function makeManifest(salt: string, index: number): Buffer {
  const empty = { digest: EMPTY_DIGEST, size: EMPTY_BLOB.length }
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...empty },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...empty }],
    annotations: { 'org.opencontainers.image.ref.name': manifestTag(salt, index) }
  }
  return Buffer.from(JSON.stringify(manifest))
}
