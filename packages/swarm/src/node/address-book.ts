import type { IdentifyResult, Libp2p } from '@libp2p/interface'
import { boundAddresses } from '../exchange/frame.ts'
import { announceable } from './listen-addresses.ts'

/** Peers whose addresses are remembered: all that are linked, and so many with the others. */
const MAX_PEERS = 8_192

/** Where the peers that we have met can be dialled, as they said themselves. */
export class AddressBook {
  readonly #addresses = new Map<string, string[]>()
  readonly #isLinked: (peerId: string) => boolean

  /** @param isLinked whether a peer is a member that we are linked with */
  constructor(isLinked: (peerId: string) => boolean) {
    this.#isLinked = isLinked
  }

  /** Learns from now on what peers say of themselves when they connect. */
  follow(libp2p: Libp2p): void {
    libp2p.addEventListener('peer:identify', (event: CustomEvent<IdentifyResult>) => {
      this.set(event.detail.peerId.toString(), announceable(event.detail.listenAddrs.map(String)))
    })
  }

  of(peerId: string): readonly string[] {
    return this.#addresses.get(peerId) ?? []
  }

  set(peerId: string, addresses: readonly string[]): void {
    this.#addresses.delete(peerId)
    if (addresses.length > 0) this.#addresses.set(peerId, boundAddresses(addresses))
    if (this.#addresses.size > MAX_PEERS) this.#forgetOne()
  }

  /** Anybody may say hello: the addresses of members are not given up for those of strangers. */
  #forgetOne(): void {
    for (const peerId of this.#addresses.keys()) {
      if (this.#isLinked(peerId)) continue
      this.#addresses.delete(peerId)
      return
    }
  }
}
