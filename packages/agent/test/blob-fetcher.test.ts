import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { BlobSource } from '@shoal/content'
import { digestOf } from '@shoal/oci'
import { BlobFetcher } from '../src/blob-fetcher.ts'
import { BlobNames } from '../src/blob-names.ts'

const bytes = Buffer.from('the right bytes')
const digest = digestOf(bytes)

/** A source of a blob whose only chunk comes, or turns out to be wrong, when `chunk` settles. */
function source(size: number, chunk: Promise<number>, closed: () => void = () => undefined): BlobSource {
  return {
    digest,
    size,
    available: () => chunk,
    read: () => Promise.reject(new Error('nobody reads here')),
    close: () => Promise.resolve(closed())
  }
}

function fetcher(sources: BlobSource[]): BlobFetcher {
  const fetch = () => Promise.resolve(sources.shift() ?? source(0, Promise.reject(new Error('no further try'))))
  const nothing = () => Promise.resolve(undefined)
  const store = { stat: nothing, open: nothing }
  return new BlobFetcher({ store, swarm: { fetch, transfers: [] }, names: new BlobNames() })
}

describe('a small blob', () => {
  it('is given out once its chunk was right, although it is not durable yet', async () => {
    const chunk = Promise.withResolvers<number>()
    const opening = fetcher([source(bytes.length, chunk.promise)]).open(digest, { repository: 'app', kind: 'blob' })
    assert.equal(await Promise.race([opening, new Promise((resolve) => setImmediate(resolve, 'waits'))]), 'waits')
    chunk.resolve(bytes.length)
    assert.equal((await opening)?.source.size, bytes.length)
  })

  it('does not pass on the size that a liar said', async () => {
    let closed = 0
    const lie = source(5, Promise.reject(new Error('chunk 0 does not have its SHA-256')), () => closed++)
    const opened = await fetcher([lie, source(bytes.length, Promise.resolve(bytes.length))]).open(digest, {
      repository: 'app',
      kind: 'blob'
    })
    assert.equal(opened?.source.size, bytes.length)
    assert.equal(closed, 1)
  })
})
