import type { Bitfield } from '@shoal/content'

/**
 * Missing chunks ahead of the reader among which rarity decides. Measured in simulation: a window of 16 keeps the
 * in-order prefix growing while leeches still differ enough to trade.
 */
export const PICK_WINDOW_CHUNKS = 16

/** What a picker sees when it chooses a chunk to ask one peer for. */
export interface PickState {
  /** What we hold. */
  readonly have: Bitfield
  /** What the peer holds. */
  readonly offered: Bitfield
  /** Whether a chunk is already on its way, or may not be asked for now. */
  readonly taken: (index: number) => boolean
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
export function pickChunk(state: PickState): number | undefined {
  let best: number | undefined
  let rarest = Number.POSITIVE_INFINITY
  let ties = 0
  let missing = 0
  for (let index = state.have.firstMissing() ?? state.have.length; index < state.have.length; index++) {
    if (state.have.has(index)) continue
    if (missing === PICK_WINDOW_CHUNKS && best !== undefined) return best
    missing++
    if (state.taken(index) || !state.offered.has(index)) continue
    const peers = state.availability(index)
    if (peers > rarest) continue
    ties = peers === rarest ? ties + 1 : 1
    if (peers < rarest || state.random() * ties < 1) best = index
    rarest = peers
  }
  return best
}
