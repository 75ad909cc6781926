import type { LinkState } from './link-state.ts'

/** After this time a good link is not one of two that were dialled at once. */
export const RACE_MS = 5_000

/** A node's links: at most one that is ready with each peer, and those on which the peer has not said hello yet. */
export class Links {
  readonly #self: string
  readonly #ready = new Map<string, LinkState>()
  /** With the hosts that they come from. */
  readonly #candidates = new Map<LinkState, string | undefined>()

  /** @param self our own peer id */
  constructor(self: string) {
    this.#self = self
  }

  get size(): number {
    return this.#ready.size + this.#candidates.size
  }

  /** Links on which the peer has not shown its certificate. */
  get unproven(): number {
    return this.#candidates.size
  }

  /** How many of those a host has opened. */
  unprovenFrom(host: string): number {
    let count = 0
    for (const from of this.#candidates.values()) if (from === host) count++
    return count
  }

  get ready(): readonly LinkState[] {
    return [...this.#ready.values()]
  }

  get all(): readonly LinkState[] {
    return [...this.#ready.values(), ...this.#candidates.keys()]
  }

  /** The ready link with a peer. */
  get(peerId: string): LinkState | undefined {
    return this.#ready.get(peerId)
  }

  /** Links with a peer, ready or not. */
  with(peerId: string): LinkState[] {
    return this.all.filter(({ link }) => link.peerId === peerId)
  }

  /** Adds a link on which nothing has been said yet; `host`: where the one comes from that opened it. */
  add(candidate: LinkState, host?: string): void {
    this.#candidates.set(candidate, host)
  }

  /**
   * The peer has said a good hello.
   *
   * @returns the link that is not needed any more: the one before, or this one itself
   */
  promote(candidate: LinkState): LinkState | undefined {
    const { peerId } = candidate.link
    this.#candidates.delete(candidate)
    const existing = this.#ready.get(peerId)
    if (existing !== undefined && this.#keeps(existing, candidate)) return candidate
    this.#ready.set(peerId, candidate)
    return existing
  }

  /** A link has ended. */
  remove(state: LinkState): void {
    this.#candidates.delete(state)
    if (this.#ready.get(state.link.peerId) === state) this.#ready.delete(state.link.peerId)
  }

  /**
   * Whether a link is kept over a new one with the same peer. When both sides dial at once, both keep the one that the
   * lower peer id dialled. A peer that dials although there has been a good link for a while has lost its end of it.
   */
  #keeps(existing: LinkState, newcomer: LinkState): boolean {
    if (newcomer.readyAt - existing.readyAt > RACE_MS) return false
    const lower = this.#self < existing.link.peerId
    return existing.dialled === lower
  }
}
