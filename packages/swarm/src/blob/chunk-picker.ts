import type { Bitfield } from '@shoal/content'

/**
 * Missing chunks ahead of the reader among which rarity decides. Measured in simulation: a window of 16 keeps the
 * in-order prefix growing while leeches still differ enough to trade.
 */
export const PICK_WINDOW_CHUNKS = 16

/** Chunks that may be asked for. */
export interface OpenChunks {
  /** Missing and not on their way, lowest first. */
  readonly chunks: number[]
  /** The window ahead of the reader ends before this one. */
  readonly windowEnd: number
}

/**
 * Finds the chunks that may be asked for. Once for a plan: it looks at every chunk of the blob.
 *
 * @param taken whether a chunk is already on its way, or may not be asked for now
 */
export function openChunks(have: Bitfield, taken: (index: number) => boolean): OpenChunks {
  const chunks: number[] = []
  let windowEnd = have.length
  let missing = 0
  for (let index = have.firstMissing() ?? have.length; index < have.length; index++) {
    if (have.has(index)) continue
    if (missing++ === PICK_WINDOW_CHUNKS) windowEnd = index
    if (!taken(index)) chunks.push(index)
  }
  return { chunks, windowEnd }
}

/** What a picker sees when it chooses a chunk to ask one peer for. */
export interface PickState extends OpenChunks {
  /** What the peer holds. */
  readonly offered: Bitfield
  /** How many peers hold a chunk. */
  readonly availability: (index: number) => number
  /** A number in [0, 1): random ties keep leeches from all asking for the same chunk. */
  readonly random: () => number
}

/**
 * Rarest first with random ties: inside the window of missing chunks ahead of the reader, and past it only when the
 * peer has nothing to offer there.
 *
 * @returns undefined when the peer has nothing that we could ask for
 */
export function pickChunk({ chunks, windowEnd, offered, availability, random }: PickState): number | undefined {
  let best: number | undefined
  let rarest = Number.POSITIVE_INFINITY
  let ties = 0
  for (const index of chunks) {
    if (index >= windowEnd && best !== undefined && best < windowEnd) return best
    if (!offered.has(index)) continue
    const peers = availability(index)
    if (peers > rarest) continue
    ties = peers === rarest ? ties + 1 : 1
    if (peers < rarest || random() * ties < 1) best = index
    rarest = peers
  }
  return best
}
