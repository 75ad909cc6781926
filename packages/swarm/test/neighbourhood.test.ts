import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PeerAddress } from '../src/exchange/frame.ts'
import { silentLogger } from '../src/logger.ts'
import type { Role } from '../src/membership/certificate.ts'
import { FIRST_BACKOFF_MS } from '../src/node/known-peers.ts'
import { Neighbourhood, SWEEP_MS } from '../src/node/neighbourhood.ts'
import { IDLE_MS, MAX_NEIGHBOURS, TARGET_NEIGHBOURS, TURNOVER_MS } from '../src/node/neighbours.ts'
import { ManualClock } from './manual-clock.ts'

/** Numbers that look random, the same in every run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Agents in one process whose links are entries in a table. */
class MemoryMesh {
  readonly clock = new ManualClock()
  readonly agents = new Map<string, Neighbourhood>()
  readonly links = new Map<string, Set<string>>()
  readonly dead = new Set<string>()
  readonly bytes = new Map<string, number>()
  dials = 0
  readonly #random = seeded(7)

  add(peerId: string): Neighbourhood {
    const linked = new Set<string>()
    this.links.set(peerId, linked)
    const neighbourhood = new Neighbourhood({
      except: [peerId, 'registry'],
      clock: this.clock,
      random: this.#random,
      logger: silentLogger,
      isMember: () => true,
      isTaken: (other) => linked.has(other),
      peers: () =>
        [...linked].map((other) => {
          const bytesSent = this.bytes.get(`${peerId} ${other}`) ?? 0
          return { peerId: other, role: 'agent' as Role, zone: '', bytesReceived: 0, bytesSent }
        }),
      dial: async (peer) => this.#dial(peerId, peer),
      drop: (other) => this.cut(peerId, other)
    })
    this.agents.set(peerId, neighbourhood)
    neighbourhood.start()
    return neighbourhood
  }

  async #dial(from: string, { peerId }: PeerAddress): Promise<void> {
    this.dials++
    await new Promise((resolve) => setImmediate(resolve))
    if (this.dead.has(peerId)) throw new Error('connection refused')
    if (this.links.get(from)?.has(peerId) === true) return
    this.links.get(from)?.add(peerId)
    this.links.get(peerId)?.add(from)
    this.agents.get(from)?.onLink(peerId, [])
    this.agents.get(peerId)?.onLink(from, [])
  }

  cut(a: string, b: string): void {
    this.links.get(a)?.delete(b)
    this.links.get(b)?.delete(a)
    this.agents.get(a)?.onUnlink(b)
    this.agents.get(b)?.onUnlink(a)
  }

  degree(peerId: string): number {
    return this.links.get(peerId)?.size ?? 0
  }

  async settle(): Promise<void> {
    let dials = -1
    while (dials !== this.dials) {
      dials = this.dials
      for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += SWEEP_MS) {
      this.clock.advance(SWEEP_MS)
      await this.settle()
    }
  }
}

const peer = (peerId: string): PeerAddress => ({ peerId, addresses: ['/ip4/10.0.0.1/tcp/5001'] })

describe('a neighbourhood', () => {
  it('of agents that start together spreads evenly, mixes, and closes no cluster off', async () => {
    const mesh = new MemoryMesh()
    const names = Array.from({ length: 100 }, (_, i) => `agent-${i}`)
    const agents = names.map((name) => mesh.add(name))
    for (const agent of agents) agent.learn(names.map(peer))
    await mesh.settle()
    const degrees = names.map((name) => mesh.degree(name))
    assert.ok(Math.min(...degrees) >= TARGET_NEIGHBOURS, `one has ${Math.min(...degrees)}`)
    assert.ok(Math.max(...degrees) < MAX_NEIGHBOURS, `one has ${Math.max(...degrees)}`)
    const mean = degrees.reduce((sum, degree) => sum + degree, 0) / degrees.length
    assert.ok(mean <= 24, `they have ${mean} on average`)

    const before = new Set(mesh.links.get('agent-0'))
    await mesh.pass(20 * TURNOVER_MS)
    const changed = [...before].filter((name) => mesh.links.get('agent-0')?.has(name) !== true)
    assert.ok(changed.length >= 5, `only ${changed.length} neighbours changed`)
    for (const name of names) assert.ok(mesh.degree(name) <= MAX_NEIGHBOURS && mesh.degree(name) >= 16)
    const reached = new Set(['agent-0'])
    for (const name of reached) for (const other of mesh.links.get(name) ?? []) reached.add(other)
    assert.equal(reached.size, names.length)
    for (const agent of agents) agent.stop()
  })

  it('takes in who has a wanted blob, in place of an idle link and not of one in use', async () => {
    const mesh = new MemoryMesh()
    const names = Array.from({ length: TARGET_NEIGHBOURS }, (_, i) => `agent-${i}`)
    for (const name of [...names, 'holder', 'other']) mesh.add(name)
    const me = mesh.add('me')
    me.learn(names.map(peer))
    await mesh.settle()
    assert.equal(mesh.degree('me'), TARGET_NEIGHBOURS)
    const use = () => {
      for (const name of names.slice(1)) mesh.bytes.set(`me ${name}`, (mesh.bytes.get(`me ${name}`) ?? 0) + 1)
    }
    await me.want([peer('holder')])
    assert.equal(mesh.links.get('me')?.has('holder'), false, 'nobody is idle yet')
    for (let passed = 0; passed <= IDLE_MS; passed += SWEEP_MS) {
      use()
      await mesh.pass(SWEEP_MS)
    }
    await me.want([peer('holder')])
    assert.equal(mesh.links.get('me')?.has('holder'), true)
    assert.equal(mesh.links.get('me')?.has('agent-0'), false)
    use()
    await me.want([peer('other')], { scarce: true })
    assert.equal(mesh.degree('me'), TARGET_NEIGHBOURS + 1, 'a blob that no linked peer has is worth one more')
    for (const agent of mesh.agents.values()) agent.stop()
  })

  it('does not dial at once again whom it could not reach', async () => {
    const mesh = new MemoryMesh()
    mesh.dead.add('gone')
    const me = mesh.add('me')
    await me.want([peer('gone')], { scarce: true })
    await mesh.settle()
    await me.want([peer('gone')], { scarce: true })
    assert.equal(mesh.dials, 1)
    mesh.clock.advance(FIRST_BACKOFF_MS)
    await me.want([peer('gone')], { scarce: true })
    assert.equal(mesh.dials, 2)
    me.stop()
  })
})
