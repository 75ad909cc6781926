import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import type { CollectionState } from '@shoal/registry'
import { basic, type Harness, json } from './harness.ts'

/** What a collection is asked for. */
export interface GcOptions {
  readonly dryRun?: boolean
  readonly untagged?: boolean
  readonly graceSeconds?: number
}

/** Begin a collection. */
export async function postGc({ request }: Harness, options: GcOptions = {}): Promise<Response> {
  return await request('/api/v1/gc', { method: 'POST', headers: basic(), body: JSON.stringify(options) })
}

/** The collection under way, or the last one. */
export async function gcState({ request }: Harness): Promise<CollectionState> {
  return await json<CollectionState>(await request('/api/v1/gc', { headers: basic() }))
}

/** Collect garbage, and say what was removed. */
export async function collect(harness: Harness, options: GcOptions = {}): Promise<CollectionState> {
  const begun = await postGc(harness, { graceSeconds: 0, ...options })
  assert.equal(begun.status, 202, await begun.text())
  return await collected(harness)
}

/** Wait for the end of the collection under way. */
export async function collected(harness: Harness): Promise<CollectionState> {
  for (;;) {
    const state = await gcState(harness)
    if (state.status !== 'running') return state
    await setTimeout(5)
  }
}
