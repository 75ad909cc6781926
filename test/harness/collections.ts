import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import { described, type Outcome, type RegistryHttp } from './registry-client.ts'

const POLL_MS = 20
const PATH = '/api/v1/gc'

/** What a collection is asked for. */
export interface CollectionRequest {
  readonly untagged: boolean
  readonly graceSeconds: number
}

/** How a collection ended. */
export interface CollectionEnd {
  readonly status: string
  readonly removed: { readonly manifests: number; readonly blobs: number; readonly bytes: number }
}

/** Collect garbage to the end. @returns undefined when the registry went away meanwhile */
export async function collectGarbage(
  http: RegistryHttp,
  request: CollectionRequest
): Promise<CollectionEnd | undefined> {
  const begun = await http.request('POST', PATH, Buffer.from(JSON.stringify(request)))
  // After a crash, the one before goes on.
  assert.ok([0, 202, 409].includes(begun.status), described('POST gc', begun))
  for (;;) {
    const state = await http.request('GET', PATH)
    if (state.status === 0) return undefined
    const end = parse(state)
    if (end.status !== 'running') return end
    await setTimeout(POLL_MS)
  }
}

function parse(outcome: Outcome): CollectionEnd {
  assert.equal(outcome.status, 200, described('GET gc', outcome))
  return JSON.parse(outcome.body.toString('utf8'))
}

/** Collect garbage again and again until `signal` aborts. @returns how often, and how much was removed */
export async function collectAlways(http: RegistryHttp, request: CollectionRequest, signal: AbortSignal) {
  const total = { collections: 0, manifests: 0, blobs: 0 }
  while (!signal.aborted) {
    const end = await collectGarbage(http, request)
    if (end === undefined) {
      await setTimeout(POLL_MS)
      continue
    }
    assert.equal(end.status, 'done')
    total.collections++
    total.manifests += end.removed.manifests
    total.blobs += end.removed.blobs
    // Otherwise nothing else would get much of the processor.
    await setTimeout(POLL_MS)
  }
  return total
}
