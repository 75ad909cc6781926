/**
 * Zones for which a seed keeps accounts of their own. Each of them costs it a copy of the blob, so that one who names every rack, or
 * every node, a zone must not make it send as many: further zones share the account of all.
 */
export const MAX_SEED_ZONES = 8

/** How often a seed has sent each chunk, in all and to each zone. Pure state. */
export class SeedCopies {
  readonly #all: Uint16Array
  readonly #zones = new Map<string, Uint16Array>()

  constructor(chunkCount: number) {
    this.#all = new Uint16Array(chunkCount)
  }

  get chunks(): number {
    return this.#all.length
  }

  /** Copies of a chunk that were sent to anybody. */
  of(index: number): number {
    return this.#all[index] ?? 0
  }

  /** Copies that were sent to a zone; to anybody when the zone has no account of its own. */
  in(zone: string, index: number): number {
    return (this.#account(zone) ?? this.#all)[index] ?? 0
  }

  /** One copy more (`by` 1) or less (`by` -1). */
  shift(zone: string, index: number, by: 1 | -1): void {
    for (const counts of [this.#all, this.#account(zone)]) {
      if (counts !== undefined) counts[index] = Math.max(0, (counts[index] ?? 0) + by)
    }
  }

  #account(zone: string): Uint16Array | undefined {
    const known = this.#zones.get(zone)
    if (known !== undefined || this.#zones.size >= MAX_SEED_ZONES) return known
    const counts = new Uint16Array(this.#all.length)
    this.#zones.set(zone, counts)
    return counts
  }
}
