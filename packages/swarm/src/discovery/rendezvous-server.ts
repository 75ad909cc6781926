import type { PeerAddress } from '../exchange/frame.ts'
import {
  boundRendezvousAnswer,
  decodeRendezvousRequest,
  encodeRendezvousAnswer,
  RENDEZVOUS_PEERS
} from './rendezvous-messages.ts'
import { RendezvousTable } from './rendezvous-table.ts'

/** What the registry's rendezvous needs. */
export interface RendezvousServerInit {
  readonly random: () => number
  readonly addressesOf: (peerId: string) => readonly string[]
  /** Where a member is, by its certificate. @default all in one zone */
  readonly zoneOf?: (peerId: string) => string | undefined
}

/** The registry's side of the rendezvous: who has what, as the agents say. */
export class RendezvousServer {
  readonly #init: RendezvousServerInit
  readonly #table: RendezvousTable

  constructor(init: RendezvousServerInit) {
    this.#init = init
    this.#table = new RendezvousTable(init.random)
  }

  /** What is remembered. */
  get size(): { readonly blobs: number; readonly registrations: number } {
    return { blobs: this.#table.digests, registrations: this.#table.registrations }
  }

  /**
   * Answers the encoded request of a member.
   *
   * @throws WireError when it is not a request
   */
  answer(peerId: string, message: Uint8Array): Uint8Array {
    const { want, have, gone } = decodeRendezvousRequest(message)
    const { zoneOf } = this.#init
    const zone = zoneOf?.(peerId)
    const isNear = (id: string) => zoneOf?.(id) === zone
    const peers = want.map((digest) => {
      const picked = this.#table.pick(digest, peerId, RENDEZVOUS_PEERS, isNear)
      this.#table.add(digest, peerId)
      return picked.map((id) => this.#address(id)).filter(({ addresses }) => addresses.length > 0)
    })
    for (const digest of have) this.#table.add(digest, peerId)
    for (const digest of gone) this.#table.remove(digest, peerId)
    return encodeRendezvousAnswer(boundRendezvousAnswer({ peers }))
  }

  /** The link with a member has ended. */
  departed(peerId: string): void {
    this.#table.removePeer(peerId)
  }

  #address(peerId: string): PeerAddress {
    return { peerId, addresses: this.#init.addressesOf(peerId) }
  }
}
