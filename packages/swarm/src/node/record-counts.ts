/** Provider records of one peer that a node keeps for the DHT; an agent has 128 of its own at a time. */
export const MAX_RECORDS_PER_PEER = 1_024
/** The same of all peers but the registry. */
export const MAX_RECORDS = 50_000
/** The same of the registry, which has up to 100,000 of its own, and of those that it withdrew within a day. */
export const MAX_REGISTRY_RECORDS = 200_000

/** Counts the provider records that peers have a node keep: whoever is connected may send them, member or not. */
export class RecordCounts {
  readonly #registry: string
  readonly #counts = new Map<string, number>()
  #all = 0

  /** @param registry peer id of the registry */
  constructor(registry: string) {
    this.#registry = registry
  }

  /** Records of all peers but the registry. */
  get size(): number {
    return this.#all
  }

  /** Takes one more record into account. @returns false when it is one too many */
  add(peerId: string): boolean {
    const count = this.#counts.get(peerId) ?? 0
    const isRegistry = peerId === this.#registry
    if (count >= (isRegistry ? MAX_REGISTRY_RECORDS : MAX_RECORDS_PER_PEER)) return false
    if (!isRegistry && this.#all >= MAX_RECORDS) return false
    this.#counts.set(peerId, count + 1)
    if (!isRegistry) this.#all++
    return true
  }

  /** A record has been removed. */
  remove(peerId: string): void {
    const count = this.#counts.get(peerId)
    if (count === undefined) return
    if (count === 1) this.#counts.delete(peerId)
    else this.#counts.set(peerId, count - 1)
    if (peerId !== this.#registry) this.#all--
  }
}
