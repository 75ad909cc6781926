import type { IdentifyResult, Libp2p } from '@libp2p/interface'
import { boundAddresses } from '../exchange/frame.ts'
import { announceable } from './listen-addresses.ts'

/** Peers whose addresses are remembered. */
const MAX_PEERS = 4_096

/** Where the peers that we have met can be dialled, as they said themselves. */
export class AddressBook {
  readonly #addresses = new Map<string, string[]>()

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
    const oldest = this.#addresses.keys().next().value
    if (this.#addresses.size > MAX_PEERS && oldest !== undefined) this.#addresses.delete(oldest)
  }
}
