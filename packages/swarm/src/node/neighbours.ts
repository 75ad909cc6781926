import type { Role } from '../membership/certificate.ts'
import { NEAR_SHARE } from './zone-mix.ts'

/** Links to other agents that an agent looks for by itself. */
export const TARGET_NEIGHBOURS = 20
/** Links to other agents up to which those that dial us are taken without making room. */
export const MAX_NEIGHBOURS = 2 * TARGET_NEIGHBOURS
/** A link over which nothing has gone either way for this long may make room for another. */
export const IDLE_MS = 30_000
/** How often a link is replaced so that the mesh keeps mixing. */
export const TURNOVER_MS = 30_000
/**
 * Dials under way up to which others are dialled only because there is room. When many agents start together each is dialled as often as
 * it dials; in small steps nobody ends far above the target.
 */
export const FILL_STEP = 4

/** A link, as far as the choice goes. Times are ms on the clock of `now`. */
export interface NeighbourLink {
  readonly peerId: string
  readonly role: Role
  readonly zone: string
  /** When payload last went over it, either way; undefined for never. */
  readonly lastUsefulAt: number | undefined
  readonly since: number
  /** The peer has, or fetches, a blob that is wanted here now. */
  readonly wanted: boolean
}

/** A member that is not linked and may be dialled now. */
export interface NeighbourCandidate {
  readonly peerId: string
  /** It has, or fetches, a blob that is wanted here now, as discovery says. */
  readonly wanted: boolean
  /** No peer that is linked has that blob. */
  readonly scarce: boolean
  /** Where it was when it was linked last; undefined when it never was. */
  readonly zone?: string | undefined
}

/** What a choice is made from. */
export interface NeighbourState {
  /** Our own zone. @default '' */
  readonly zone?: string
  readonly links: readonly NeighbourLink[]
  readonly known: readonly NeighbourCandidate[]
  /** Dials under way, which will be links. */
  readonly dialling: number
  /** Dials that may be begun now. */
  readonly maxDials: number
  /** When a link was last replaced only to keep the mesh mixing. */
  readonly lastTurnoverAt: number
  readonly now: number
  /** A number in [0, 1). */
  readonly random: () => number
}

/** Whom to dial and whom to let go. */
export interface NeighbourChoice {
  readonly dial: readonly string[]
  readonly drop: readonly string[]
  /** Whether one of them was replaced only to keep the mesh mixing. */
  readonly turnover: boolean
}

/**
 * Chooses an agent's neighbours. Pure. The registry's link neither counts nor is dropped.
 *
 * Peers with a blob that is wanted now come first, at the target in place of idle links, and beyond it only when no linked
 * peer has the blob. What room is left is filled at random: agents that start together then spread over each other, and
 * no cluster closes itself off. Where there are several zones, {@link NEAR_SHARE} of the links are with our own when it has so
 * many members, and the others with any: which kind is short is dialled first, and the other kind is let go first.
 */
export function chooseNeighbours(state: NeighbourState): NeighbourChoice {
  const { now, random, dialling, lastTurnoverAt } = state
  const agents = state.links.filter(({ role }) => role === 'agent')
  const zones = new ZoneBalance(state, agents)
  const idle = idleLinks(agents, now, random)
  const known = shuffled(state.known, random)
  const dial: string[] = []
  const drop: string[] = []
  let count = agents.length + dialling

  const let1Go = (): boolean => {
    const least = zones.takeSpare(idle)
    if (least === undefined) return false
    drop.push(least.peerId)
    count--
    return true
  }
  const take = ({ peerId, zone }: NeighbourCandidate) => {
    dial.push(peerId)
    zones.gained(zone)
    count++
  }

  while (count > MAX_NEIGHBOURS && let1Go());
  const wanted = known.filter((peer) => peer.wanted)
  for (const group of [wanted.filter((peer) => peer.scarce), wanted.filter((peer) => !peer.scarce)]) {
    for (let next = zones.takeShort(group); next !== undefined; next = zones.takeShort(group)) {
      if (dial.length >= state.maxDials) break
      if (count < TARGET_NEIGHBOURS || let1Go() || (next.scarce && count < MAX_NEIGHBOURS)) take(next)
    }
  }
  const others = known.filter((peer) => !peer.wanted)
  const fill = Math.min(FILL_STEP - dialling, state.maxDials) - dial.length
  for (let room = Math.min(fill, TARGET_NEIGHBOURS - count); room > 0; room--) {
    const next = zones.takeShort(others)
    if (next !== undefined) take(next)
  }

  const other = zones.takeShort(others)
  const due = now - lastTurnoverAt >= TURNOVER_MS && drop.length === 0 && dial.length === 0
  const turnover = due && count >= TARGET_NEIGHBOURS && state.maxDials > 0 && other !== undefined && let1Go()
  if (turnover && other !== undefined) take(other)
  return { dial, drop, turnover }
}

/** Keeps count of how many links are with our own zone. Where there is only one zone it changes nothing. */
class ZoneBalance {
  readonly #zone: string
  readonly #several: boolean
  #near: number
  #all: number

  constructor({ zone = '', known }: NeighbourState, links: readonly NeighbourLink[]) {
    this.#zone = zone
    this.#several = [...links, ...known].some((peer) => peer.zone !== undefined && peer.zone !== zone)
    this.#near = links.filter((link) => link.zone === zone).length
    this.#all = links.length
  }

  get #isNearShort(): boolean {
    return this.#near < NEAR_SHARE * Math.max(this.#all, TARGET_NEIGHBOURS)
  }

  gained(zone: string | undefined): void {
    this.#all++
    if (zone === this.#zone) this.#near++
  }

  /** Takes the next candidate out, one of the kind that is short before others. */
  takeShort(candidates: NeighbourCandidate[]): NeighbourCandidate | undefined {
    const short = this.#several ? candidates.findIndex(({ zone }) => (zone === this.#zone) === this.#isNearShort) : 0
    return candidates.splice(Math.max(0, short), 1)[0]
  }

  /** Takes the next link that may go out, one of the kind that is not short before others. */
  takeSpare(idle: NeighbourLink[]): NeighbourLink | undefined {
    const spare = this.#several ? idle.findIndex(({ zone }) => (zone === this.#zone) !== this.#isNearShort) : 0
    const [link] = idle.splice(Math.max(0, spare), 1)
    if (link === undefined) return undefined
    this.#all--
    if (link.zone === this.#zone) this.#near--
    return link
  }
}

/** Links that may go, the least useful first; of two alike a random one. */
function idleLinks(links: readonly NeighbourLink[], now: number, random: () => number): NeighbourLink[] {
  const lastUse = ({ since, lastUsefulAt }: NeighbourLink) => Math.max(since, lastUsefulAt ?? since)
  return shuffled(links, random)
    .filter((link) => !link.wanted && now - lastUse(link) >= IDLE_MS)
    .sort((a, b) => (a.lastUsefulAt ?? 0) - (b.lastUsefulAt ?? 0))
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}
