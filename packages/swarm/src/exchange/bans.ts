/** How long a peer that sent wrong bytes is kept out. */
export const BAN_MS = 10 * 60_000
/** Bans that are remembered; the oldest goes first. */
export const MAX_BANS = 1_000

/** Peers that are kept out for a while, and why. */
export class Bans {
  readonly #until = new Map<string, number>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  get size(): number {
    for (const peerId of [...this.#until.keys()]) this.has(peerId)
    return this.#until.size
  }

  add(peerId: string): void {
    this.#until.delete(peerId)
    this.#until.set(peerId, this.#now() + BAN_MS)
    const oldest = this.#until.keys().next().value
    if (this.#until.size > MAX_BANS && oldest !== undefined) this.#until.delete(oldest)
  }

  has(peerId: string): boolean {
    const until = this.#until.get(peerId)
    if (until === undefined) return false
    if (until > this.#now()) return true
    this.#until.delete(peerId)
    return false
  }
}
