import type { KeyObject } from 'node:crypto'
import { type SignedChunkMap, signChunkMap } from '@shoal/content'
import { type PeerAddress, RendezvousServer } from '@shoal/swarm/parts'
import type { Random } from '../engine/random.ts'
import type { Flow } from '../network/flow.ts'
import { addressesOf, SimNode, type SimNodeInit } from './sim-node.ts'

/** Members that a new one is told of, as the product's registry does. */
const NEIGHBOURS_TOLD = 24

/** The registry: seeds every blob, and knows who wants what. */
export class SimRegistry extends SimNode {
  readonly rendezvous: RendezvousServer
  /** Answers over HTTP that are under way. */
  readonly bodies = new Set<Flow>()
  readonly #random: Random
  readonly #members: string[] = []

  constructor(init: Omit<SimNodeInit, 'role' | 'lies'>) {
    super(
      { ...init, role: 'registry', lies: false },
      {
        fallback: undefined,
        discover: () => Promise.resolve(),
        learned: () => undefined,
        onLink: () => undefined,
        onUnlink: (peerId) => this.rendezvous.departed(peerId),
        stored: () => undefined
      }
    )
    this.#random = init.random
    this.rendezvous = new RendezvousServer({
      random: init.random,
      addressesOf,
      zoneOf: (peerId) => this.exchange.zoneOf(peerId)
    })
  }

  /** Has a blob from now on. */
  push(map: SignedChunkMap['map'], key: KeyObject): void {
    this.store.add({ map, segments: signChunkMap(map, key) })
  }

  /** The process is killed. */
  kill(): void {
    this.alive = false
    for (const body of this.bodies) body.close()
    void this.exchange.stop()
  }

  /** Admits a node. @returns some that are members already */
  admit(peerId: string): PeerAddress[] {
    const told = new Set<string>()
    for (let tries = 0; tries < 2 * NEIGHBOURS_TOLD && told.size < NEIGHBOURS_TOLD; tries++) {
      const member = this.#members[Math.floor(this.#random() * this.#members.length)]
      if (member !== undefined && member !== peerId) told.add(member)
    }
    if (!this.#members.includes(peerId)) this.#members.push(peerId)
    return [...told].map((id) => ({ peerId: id, addresses: addressesOf(id) }))
  }
}
