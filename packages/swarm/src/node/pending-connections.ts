import { hostOf } from './listen-addresses.ts'

/** Connections from one host that have not been secured yet. libp2p bounds them in all; no stranger is to have all these places. */
export const MAX_PENDING_PER_HOST = 128

/** Inbound connections that have said nothing, or not enough, yet. */
export class PendingConnections {
  /** Hosts by the whole address, which names one connection. */
  readonly #pending = new Map<string, string>()

  get size(): number {
    return this.#pending.size
  }

  /** A connection has come. @returns false when it is one too many */
  admit(address: string): boolean {
    const host = hostOf(address) ?? address
    let sameHost = 0
    for (const other of this.#pending.values()) if (other === host) sameHost++
    if (sameHost >= MAX_PENDING_PER_HOST) return false
    this.#pending.set(address, host)
    return true
  }

  /** It is secured, or gone. */
  done(address: string): void {
    this.#pending.delete(address)
  }
}
