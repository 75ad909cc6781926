import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { load } from '../registry/load.ts'
import type { LoadJob } from '../registry/load-job.ts'
import { Payload } from '../registry/payload.ts'
import { summariseCell } from '../registry/summary.ts'

const SIZE = 3_000_000

/** A registry in memory that believes nothing. */
class Twin {
  readonly blobs = new Map<string, Buffer>()
  readonly manifests = new Map<string, Buffer>()
  readonly server: Server
  /** While set, pulls are sent their first half only. */
  stalled = false

  constructor() {
    this.server = createServer(async (request, response) => {
      const url = new URL(request.url ?? '', 'http://twin')
      const name = url.pathname.slice(url.pathname.lastIndexOf('/') + 1)
      const body = await readBody(request)
      if (request.method === 'POST') {
        response.writeHead(202, { location: `${url.pathname}id`, 'content-length': 0 }).end()
      } else if (request.method === 'PUT') {
        const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`
        const right = url.pathname.includes('/manifests/') || url.searchParams.get('digest') === digest
        if (url.pathname.includes('/manifests/')) this.manifests.set(name, body)
        else this.blobs.set(digest, body)
        response.writeHead(right ? 201 : 400, { 'content-length': 0 }).end()
      } else {
        const content = this.blobs.get(name) ?? this.manifests.get(name)
        response.writeHead(content === undefined ? 404 : 200, { 'content-length': content?.length ?? 0 })
        if (this.stalled) response.write(content?.subarray(0, SIZE / 2))
        else response.end(content)
      }
    })
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece)
  return Buffer.concat(pieces)
}

describe('the load on a registry', () => {
  const twin = new Twin()
  const job = (changes: Partial<LoadJob>): LoadJob => ({
    host: '127.0.0.1',
    port: (twin.server.address() as AddressInfo).port,
    repository: 'a/b',
    kind: 'push-blobs',
    concurrency: 2,
    count: 4,
    budgetMs: 60_000,
    size: SIZE,
    salt: 'seed',
    ...changes
  })
  before(async () => {
    twin.server.listen(0, '127.0.0.1')
    await once(twin.server, 'listening')
  })
  after(() => {
    twin.server.closeAllConnections()
    twin.server.close()
  })

  it('pushes blobs that differ, under their digests, and pulls them', async () => {
    const pushed = await load(job({}))
    assert.equal(pushed.completed, 4)
    assert.equal(pushed.bytes, 4 * SIZE)
    assert.equal(pushed.latenciesMs.length, 4)
    const payload = new Payload(SIZE, 'seed')
    for (const index of [0, 1, 2, 3]) assert.equal(twin.blobs.get(payload.digest(index))?.length, SIZE)
    const pulled = await load(job({ kind: 'pull-blobs', count: 9, concurrency: 3 }))
    assert.equal(pulled.completed, 9)
    assert.equal(pulled.bytes, 9 * SIZE)
  })

  it('pushes manifests and pulls them', async () => {
    const salt = 'manifests'
    assert.equal((await load(job({ kind: 'push-manifests', salt, size: 0 }))).completed, 4)
    assert.equal(new Set([...twin.manifests.values()].map(String)).size, 4)
    assert.equal((await load(job({ kind: 'pull-manifests', salt, size: 0 }))).completed, 4)
  })

  it('counts what came of requests that are cut off', async () => {
    await load(job({ count: 1 }))
    twin.stalled = true
    try {
      const cut = await load(job({ kind: 'pull-blobs', count: 1, concurrency: 1, budgetMs: 500 }))
      assert.equal(cut.completed, 0)
      assert.equal(cut.bytes, SIZE / 2)
    } finally {
      twin.stalled = false
    }
  })

  it('fails when the registry does', async () => {
    await assert.rejects(load(job({ kind: 'pull-blobs', salt: 'never pushed', count: 1 })), /404/)
  })
})

describe('a cell of the registry benchmark', () => {
  const sample = (seconds: number, serverCpuSeconds: number) => ({
    seconds,
    bytes: 2e9,
    completed: 2,
    latenciesMs: [seconds * 400, seconds * 1000],
    clientCpuSeconds: seconds / 2,
    serverCpuSeconds,
    serverReadBytes: 2e9,
    serverPeakBytes: 2 ** 20
  })

  it('compares the medians of the rounds', () => {
    const subject = { name: '1GB', size: 1e9, seeds: 1, cells: [] }
    const cell = { kind: 'push-blobs', concurrency: 1, count: 2, budgetMs: 1 } as const
    const samples = new Map([
      ['theirs', [sample(1, 2), sample(4, 2), sample(2, 2)]],
      ['ours', [sample(1, 1), sample(4, 1), sample(0.5, 1)]]
    ])
    const { servers, throughputRatio } = summariseCell(subject, cell, samples)
    assert.equal(throughputRatio, 2)
    assert.equal(servers.theirs?.cpuSecondsPerGB, 1)
    assert.equal(servers.ours?.cpuSecondsPerGB, 0.5)
    assert.equal(servers.ours?.megabytesPerSecond, 2000)
    assert.equal(servers.ours?.p99Ms, 4000)
    assert.equal(servers.ours?.readOverPayload, 1)
  })
})
