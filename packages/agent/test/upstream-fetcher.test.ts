import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { type BlobSource, ContentStore } from '@shoal/content'
import { type Digest, digestOf, type RegistryClient } from '@shoal/oci'
import { BlobNotFoundError, silentLogger, systemClock } from '@shoal/swarm'
import type { FillAnswer } from '../src/fill-client.ts'
import { UpstreamFetcher } from '../src/upstream-fetcher.ts'

const blob = randomBytes(700_000)
const digest = digestOf(blob)
const name = { repository: 'docker.io/library/app', kind: 'blob' } as const
const { signal } = new AbortController()
const PIECE_BYTES = 50_000
const cut = [0, 300_000, 600_000]
const parts = cut.map((start, index) => blob.subarray(start, cut[index + 1] ?? 650_000))

/** An agent whose mesh has some blobs, and a registry that has the blob itself. */
async function start(t: TestContext, inMesh: readonly Buffer[], { served = blob, alone = 0 } = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-upstream-'))
  const store = await ContentStore.open({ directory })
  t.after(async () => {
    await store.close()
    await rm(directory, { recursive: true })
  })
  let questions = 0
  const fetched: Digest[] = []
  const ranges: number[] = []
  const fetcher = new UpstreamFetcher({
    store,
    swarm: {
      downloadLimiter: { take: () => Promise.resolve() },
      async fetch(asked): Promise<BlobSource> {
        fetched.push(asked)
        const bytes = inMesh.find((each) => digestOf(each) === asked)
        const whole = bytes === undefined ? await store.open(asked) : sourceOf(asked, bytes)
        if (whole === undefined) throw new BlobNotFoundError(asked)
        return whole
      }
    },
    client: {
      headManifest: () => Promise.resolve(undefined),
      async getBlob(_repository, _digest, options) {
        const range = options?.range ?? { start: 0, end: served.length }
        ranges.push(range.start)
        const body = (async function* () {
          for (let at = range.start; at < range.end; at += PIECE_BYTES) {
            yield served.subarray(at, Math.min(at + PIECE_BYTES, range.end))
            // Those who ask meanwhile have their turn.
            await new Promise((resolve) => setImmediate(resolve))
          }
        })()
        return { size: served.length, range, body, etag: undefined }
      }
    } satisfies Pick<RegistryClient, 'getBlob' | 'headManifest'>,
    fills: {
      async ask(_digest, _repository, { shared }): Promise<FillAnswer> {
        const known = parts.map((bytes) => ({ digest: digestOf(bytes), size: bytes.length }))
        // `alone` says to how many questions the answer is that nobody else asks.
        await new Promise((resolve) => setImmediate(resolve))
        if (questions++ < alone) return { size: blob.length, sharing: 'one', parts: [], over: false, alone: true }
        const more = shared === undefined ? [] : known.slice(shared.after)
        return { size: blob.length, sharing: 'one', parts: more, over: shared !== undefined, alone: false }
      }
    },
    breaker: { down: false },
    upstreams: { includes: (repository) => repository.startsWith('docker.io/') },
    transfer: { received: () => undefined },
    clock: systemClock,
    logger: silentLogger
  })
  t.after(() => fetcher.stop())
  return { fetcher, fetched, ranges, store }
}

function sourceOf(of: Digest, bytes: Buffer): BlobSource {
  return {
    digest: of,
    size: bytes.length,
    available: async (position) => bytes.length - position,
    read: async (target, position) => bytes.copy(target, 0, position),
    close: async () => undefined
  }
}

async function readAll(source: BlobSource | undefined): Promise<Buffer> {
  assert.ok(source)
  const bytes = Buffer.alloc(source.size)
  try {
    for (let at = 0; at < bytes.length; ) {
      await source.available(at)
      at += await source.read(bytes.subarray(at), at)
    }
  } finally {
    await source.close()
  }
  return bytes
}

describe('a blob that the registry is fetching', () => {
  it('is put together from parts, for all who ask, and its end read from the registry', async (t) => {
    const { fetched, fetcher, ranges, store } = await start(t, parts)
    const sources = await Promise.all([fetcher.open(digest, name, signal), fetcher.open(digest, name, signal)])
    for (const bytes of await Promise.all(sources.map(readAll))) assert.deepEqual(bytes, blob)
    assert.deepEqual(ranges, [650_000])
    assert.equal(fetched.filter((each) => each === digestOf(parts[0] ?? blob)).length, 1)
    // The mesh is told when it is durable, which readers do not wait for.
    while (!fetched.includes(digest)) await new Promise((resolve) => setImmediate(resolve))
    assert.equal((await store.stat(digest))?.size, blob.length)
  })

  it('is read over HTTP, and in no parts, as long as nobody else wants it', async (t) => {
    const { fetched, fetcher, ranges } = await start(t, parts, { alone: Number.POSITIVE_INFINITY })
    assert.deepEqual(await readAll(await fetcher.open(digest, name, signal)), blob)
    assert.deepEqual(ranges, [0])
    assert.deepEqual(
      fetched.filter((each) => each !== digest),
      []
    )
  })

  it('is read in parts from where others came, and nothing of it twice over HTTP', async (t) => {
    const { fetched, fetcher, ranges } = await start(t, parts, { alone: 2 })
    assert.deepEqual(await readAll(await fetcher.open(digest, name, signal)), blob)
    assert.deepEqual(ranges, [0, 650_000])
    assert.ok(fetched.includes(digestOf(parts[2] ?? blob)))
  })

  it('is read over HTTP where a part does not come', async (t) => {
    const { fetcher, ranges } = await start(t, [parts[0] ?? blob, parts[2] ?? blob])
    assert.deepEqual(await readAll(await fetcher.open(digest, name, signal)), blob)
    assert.deepEqual(ranges, [300_000, 650_000])
  })

  it('is not whole for anybody when its parts are wrong together', async (t) => {
    const wrong = Buffer.from(blob)
    wrong[699_999] = 255 - Number(wrong[699_999])
    const { fetcher, store } = await start(t, parts, { served: wrong })
    await assert.rejects(fetcher.open(digest, name, signal).then(readAll))
    assert.equal(await store.stat(digest), undefined)
  })

  it('is left to the mesh when it is of no upstream', async (t) => {
    const { fetched, fetcher } = await start(t, parts)
    assert.equal(await fetcher.open(digest, { ...name, repository: 'team/app' }, signal), undefined)
    assert.deepEqual(fetched, [])
  })
})
