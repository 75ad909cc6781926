/** Connections whose peers are not linked, such as those of the DHT; beyond that the oldest is closed. */
export const MAX_STRANGERS = 1_024
/** The same from one host, of which a further one is refused. */
export const MAX_STRANGERS_PER_HOST = 256
/** A connection without a link is closed after this time. */
export const STRANGER_TIMEOUT_MS = 15_000

interface Stranger {
  readonly host: string
  readonly since: number
}

/**
 * Connections on which no peer has shown yet that it is a member. A link that is only being made does not count: who opens one again and
 * again without a word would stay for ever. Pure state: time is handed in, in ms.
 */
export class Strangers<Connection> {
  /** The oldest first. */
  readonly #strangers = new Map<Connection, Stranger>()

  get size(): number {
    return this.#strangers.size
  }

  /** A connection has no link. @returns those that are to be closed */
  add(connection: Connection, host: string, now: number): Connection[] {
    if (this.#strangers.has(connection)) return []
    let sameHost = 0
    for (const other of this.#strangers.values()) if (other.host === host) sameHost++
    if (sameHost >= MAX_STRANGERS_PER_HOST) return [connection]
    this.#strangers.set(connection, { host, since: now })
    const [oldest] = this.#strangers.keys()
    if (this.#strangers.size <= MAX_STRANGERS || oldest === undefined) return []
    this.#strangers.delete(oldest)
    return [oldest]
  }

  /** It is linked now, or closed. */
  remove(connection: Connection): void {
    this.#strangers.delete(connection)
  }

  /** Those that have been strangers for too long. */
  overdue(now: number): Connection[] {
    return [...this.#strangers].filter(([, { since }]) => now - since >= STRANGER_TIMEOUT_MS).map(([each]) => each)
  }

  /** Time does not count yet: this node has no certificate to show either. */
  restart(now: number): void {
    for (const [connection, stranger] of this.#strangers) this.#strangers.set(connection, { ...stranger, since: now })
  }
}
