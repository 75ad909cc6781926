import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { createMemoryLanes } from '../src/exchange/memory-lane.ts'
import { DEAD_AFTER_MS, KEEP_ALIVE_MS, PeerSilentError } from '../src/peers/peer-links.ts'
import { add, createNode, type ExchangeNode, MIB } from './exchange-nodes.ts'
import { ManualClock } from './manual-clock.ts'

/** A clock by hand that lets what was sent arrive while time passes. */
class HandClock extends ManualClock {
  /** In steps smaller than any of the timers. */
  async pass(ms: number): Promise<void> {
    for (const end = this.now() + ms; this.now() < end; ) {
      this.advance(50)
      await new Promise((resolve) => setImmediate(resolve))
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

/** Connects two nodes with a cable that can be pulled: nothing arrives any more, and nobody is told. */
function connect(a: ExchangeNode, b: ExchangeNode): { pull(): void } {
  let pulled = false
  const [left, right] = createMemoryLanes({
    schedule: (deliver) =>
      setImmediate(() => {
        if (!pulled) deliver()
      })
  })
  b.exchange.accept(right, a.identity.peerId, false)
  a.exchange.accept(left, b.identity.peerId, true)
  return {
    pull: () => {
      pulled = true
    }
  }
}

/** Lets time pass until something has happened. */
async function until(clock: HandClock, something: Promise<unknown>): Promise<void> {
  let over = false
  const end = () => {
    over = true
  }
  something.then(end, end)
  for (let i = 0; !over && i < 400; i++) {
    await clock.pass(50)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.ok(over, 'it did not happen')
  await something
}

it('a peer whose certificate has expired is not kept', async () => {
  const clock = new HandClock()
  let expired = false
  const [a, b] = [await createNode('agent', { clock, isExpired: () => expired }), await createNode('agent', { clock })]
  connect(a, b)
  await clock.pass(1_000)
  assert.equal(a.exchange.peers.length, 1)
  expired = true
  await clock.pass(1_000)
  assert.equal(a.exchange.peers.length, 0)
})

describe('a peer whose cable was pulled', () => {
  it('is noticed though nothing is asked of it, and one that is there is kept', async () => {
    const clock = new HandClock()
    const [a, gone, there] = [
      await createNode('agent', { clock }),
      await createNode('agent', { clock }),
      await createNode('agent', { clock })
    ]
    const cable = connect(a, gone)
    connect(a, there)
    await clock.pass(KEEP_ALIVE_MS * 2)
    assert.equal(a.exchange.peers.length, 2)
    cable.pull()
    await clock.pass(KEEP_ALIVE_MS + DEAD_AFTER_MS + 1_000)
    assert.deepEqual(
      a.exchange.peers.map(({ peerId }) => peerId),
      [there.identity.peerId]
    )
    assert.ok(a.unlinked.get(gone.identity.peerId) instanceof PeerSilentError)
  })

  it('costs a download little: what it owes is asked of another', async () => {
    const clock = new HandClock()
    const bytes = randomBytes(8 * MIB)
    const [registry, holder, a] = [
      await createNode('registry', { clock }),
      await createNode('agent', { clock }),
      await createNode('agent', { clock })
    ]
    const digest = await add(registry, bytes)
    connect(holder, registry)
    await until(
      clock,
      holder.exchange.fetch(digest).then((source) => source.close())
    )
    await until(clock, holder.exchange.completion(digest))
    const cable = connect(a, holder)
    connect(a, registry)
    await clock.pass(100)
    const fetching = a.exchange.fetch(digest)
    await until(clock, fetching)
    cable.pull()
    let done = false
    const finished = fetching.then((source) => source.close()).then(() => a.exchange.completion(digest))
    finished.then(
      () => {
        done = true
      },
      () => undefined
    )
    let waited = 0
    for (; !done && waited < DEAD_AFTER_MS; waited += 250) {
      await clock.pass(250)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await finished
    assert.ok(waited < DEAD_AFTER_MS, 'it did not wait for the peer to be given up')
    assert.ok((await a.store.stat(digest)) !== undefined)
  })
})
