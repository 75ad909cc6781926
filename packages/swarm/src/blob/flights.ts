/** At most this many copies of a chunk are asked for at once. */
export const MAX_COPIES = 3

/** Which chunks are on their way, from whom, and since when (ms). Pure state. */
export class Flights<Peer> {
  readonly #flights = new Map<number, Map<Peer, number>>()

  /** Chunks that somebody has been asked for. */
  get size(): number {
    return this.#flights.size
  }

  has(index: number): boolean {
    return this.#flights.has(index)
  }

  /** How many peers have been asked for chunk `index`. */
  copies(index: number): number {
    return this.#flights.get(index)?.size ?? 0
  }

  isFrom(index: number, peer: Peer): boolean {
    return this.#flights.get(index)?.has(peer) === true
  }

  /** Chunks that were asked for at a time or before, with the time of the earliest ask. */
  *askedBy(time: number): Generator<{ index: number; peers: readonly Peer[]; since: number }> {
    for (const [index, peers] of this.#flights) {
      let since = Number.POSITIVE_INFINITY
      for (const at of peers.values()) since = Math.min(since, at)
      if (since <= time) yield { index, peers: [...peers.keys()], since }
    }
  }

  get indexes(): number[] {
    return [...this.#flights.keys()]
  }

  add(index: number, peer: Peer, now: number): void {
    const peers = this.#flights.get(index) ?? new Map<Peer, number>()
    this.#flights.set(index, peers)
    peers.set(peer, now)
  }

  /** This peer will not send it, or has. */
  remove(index: number, peer: Peer): void {
    const peers = this.#flights.get(index)
    if (peers?.delete(peer) === true && peers.size === 0) this.#flights.delete(index)
  }

  /** The chunk is here. @returns the peers that still are to send it */
  land(index: number): Peer[] {
    const peers = [...(this.#flights.get(index)?.keys() ?? [])]
    this.#flights.delete(index)
    return peers
  }

  /** A peer has gone. @returns the chunks that it was to send */
  ground(peer: Peer): number[] {
    const indexes: number[] = []
    for (const [index, peers] of [...this.#flights]) {
      if (!peers.has(peer)) continue
      indexes.push(index)
      this.remove(index, peer)
    }
    return indexes
  }
}
