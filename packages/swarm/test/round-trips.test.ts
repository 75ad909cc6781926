import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { it } from 'node:test'
import { FRAME_TYPES } from '../src/exchange/frame.ts'
import type { Lane } from '../src/exchange/lane.ts'
import { add, connect, createNode, type ExchangeNode, MIB } from './exchange-nodes.ts'

/** How often the one who fetches has to wait for the other before the first byte of a blob. */
const ROUND_TRIPS = { 'one chunk': 2, 'many chunks': 3 } as const

/**
 * Counts exchanges on a lane: one more each time that bytes come after bytes were sent. What is sent without waiting for what
 * comes is one turn, however many frames it is.
 */
function counting(counter: { turns: number; firstPiece: number | undefined }): (lane: Lane) => Lane {
  let asked = false
  return (lane) => ({
    kind: lane.kind,
    get queuedBytes() {
      return lane.queuedBytes
    },
    drained: (options) => lane.drained(options),
    close: (error) => lane.close(error),
    send(bytes) {
      asked = true
      return lane.send(bytes)
    },
    attach: (handler) =>
      lane.attach({
        onClose: (error) => handler.onClose(error),
        onData(bytes) {
          if (asked) counter.turns++
          asked = false
          if (bytes[4] === FRAME_TYPES.chunk) counter.firstPiece ??= counter.turns
          handler.onData(bytes)
        }
      })
  })
}

async function linked(a: ExchangeNode, b: ExchangeNode): Promise<void> {
  while (!a.exchange.isLinked(b.identity.peerId) || !b.exchange.isLinked(a.identity.peerId))
    await new Promise(setImmediate)
}

for (const role of ['registry', 'agent'] as const) {
  for (const [kind, size] of [
    ['one chunk', 1000],
    ['many chunks', 5 * MIB]
  ] as const) {
    it(`the first byte of a blob of ${kind} comes from a linked ${role} within ${ROUND_TRIPS[kind]} round trips`, async () => {
      const registry = await createNode('registry')
      const digest = await add(registry, randomBytes(size))
      const holder = role === 'registry' ? registry : await createNode('agent')
      if (holder !== registry) {
        connect(holder, registry)
        await holder.exchange.fetch(digest)
        await holder.exchange.completion(digest)
      }
      const leech = await createNode('agent')
      const counter = { turns: 0, firstPiece: undefined as number | undefined }
      connect(leech, holder, counting(counter))
      await linked(leech, holder)
      counter.turns = 0
      await leech.exchange.fetch(digest)
      await leech.exchange.completion(digest)
      assert.ok(counter.firstPiece !== undefined, 'no chunk came')
      assert.ok(counter.firstPiece <= ROUND_TRIPS[kind], `it took ${counter.firstPiece}`)
    })
  }
}
