import type { Bitfield } from '@shoal/content'
import type { RepeatGate } from './repeat-gate.ts'
import { SeedCopies } from './seed-copies.ts'

/** Weight of a copy that was sent against what only decides between equals. */
const RANK_OF_COPY = 4

/** What a leech says when it asks a seed for any chunk. */
export interface AnyAsk {
  /** Who asks: a name that {@link SeedChooser.departed} may take back. */
  readonly peer: string
  /** Where it is, as its certificate says. @default '' */
  readonly zone?: string
  /** What the leech is known to hold. */
  readonly have: Bitfield
  /** What it lacks but has asked for elsewhere. */
  readonly except: ReadonlySet<number>
  /** The leech is starving: chunks that were sent before may be sent again. */
  readonly again: boolean
}

/**
 * Chooses which chunk a seed sends next: the lowest-numbered one that it has sent least often to the asker's zone. So each chunk
 * leaves once for a zone before any leaves twice, chunks leave in the order that a streaming reader wants, and each goes
 * to a different node.
 */
export class SeedChooser {
  readonly #sent: SeedCopies
  readonly #sentTo = new Map<string, { readonly zone: string; readonly chunks: Set<number> }>()

  readonly #maxCopies: number
  readonly #repeats: RepeatGate | undefined

  /**
   * @param options.maxCopies how often a chunk is sent at most, to peers that are still here
   * @param options.repeats how soon a chunk is sent to another who asks for it by number
   */
  constructor(
    chunkCount: number,
    options: { readonly maxCopies?: number | undefined; readonly repeats?: RepeatGate } = {}
  ) {
    this.#sent = new SeedCopies(chunkCount)
    this.#maxCopies = options.maxCopies ?? Number.POSITIVE_INFINITY
    this.#repeats = options.repeats
  }

  /** How often chunk `index` has been sent to peers that are still here. */
  copies(index: number): number {
    return this.#sent.of(index)
  }

  /**
   * The chunk to send next, counted as sent at once so that two asks are not given the same one.
   *
   * @param held how many leeches say that they hold a chunk. That only decides between chunks that were sent equally often:
   * it is what peers say of themselves, and one that lies must not keep a chunk from the others.
   * @returns undefined when nothing fits: the leech must look elsewhere, or ask again as a starving one
   */
  choose(ask: AnyAsk, held: (index: number) => number): number | undefined {
    const before = this.#sentTo.get(ask.peer)?.chunks
    const zone = ask.zone ?? ''
    let best: number | undefined
    let bestRank = ask.again ? Number.POSITIVE_INFINITY : RANK_OF_COPY
    for (let index = 0; index < this.#sent.chunks && bestRank > 0; index++) {
      if (ask.have.has(index) || ask.except.has(index) || !this.mayCount(ask.peer, index)) continue
      // What was sent to this very peer is most likely on its way to it.
      const repeated = before?.has(index) === true ? 2 : 0
      const rank = this.#sent.in(zone, index) * RANK_OF_COPY + repeated + (held(index) > 0 ? 1 : 0)
      if (rank >= bestRank) continue
      best = index
      bestRank = rank
    }
    if (best !== undefined) this.count(ask.peer, best, zone)
    return best
  }

  /** Whether a chunk may be sent to a peer: once more to one that has been sent it already, and otherwise within the cap. */
  mayCount(peer: string, index: number): boolean {
    return this.copies(index) < this.#maxCopies || this.#sentTo.get(peer)?.chunks.has(index) === true
  }

  /** A peer asks for a chunk by number. @returns whether it is to be sent now; it then counts as sent */
  give(peer: string, index: number, zone = ''): boolean {
    if (!this.mayCount(peer, index) || this.#repeats?.admits(peer, index) === false) return false
    this.count(peer, index, zone)
    return true
  }

  /** Counts a chunk. */
  count(peer: string, index: number, zone = ''): void {
    this.#repeats?.sent(peer, index)
    const sent = this.#sentTo.get(peer) ?? { zone, chunks: new Set<number>() }
    this.#sentTo.set(peer, sent)
    if (sent.chunks.has(index)) return
    sent.chunks.add(index)
    this.#sent.shift(sent.zone, index, 1)
  }

  /** A chunk was not sent to its end. */
  failed(peer: string, index: number): void {
    const sent = this.#sentTo.get(peer)
    if (sent?.chunks.delete(index) === true) this.#sent.shift(sent.zone, index, -1)
  }

  /** A leech has gone, and what was sent to it with it, unless others hold it too. */
  departed(peer: string): void {
    const sent = this.#sentTo.get(peer)
    for (const index of sent?.chunks ?? []) this.#sent.shift(sent?.zone ?? '', index, -1)
    this.#sentTo.delete(peer)
  }
}
