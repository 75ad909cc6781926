import type { Role } from '../membership/certificate.ts'

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
}

/** What a choice is made from. */
export interface NeighbourState {
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
 * no cluster closes itself off. (Zones will prefer near peers here, for no more than 70 % of the links.)
 */
export function chooseNeighbours(state: NeighbourState): NeighbourChoice {
  const { now, random, dialling, lastTurnoverAt } = state
  const agents = state.links.filter(({ role }) => role === 'agent')
  const idle = idleLinks(agents, now, random)
  const known = shuffled(state.known, random)
  const dial: string[] = []
  const drop: string[] = []
  let count = agents.length + dialling

  const let1Go = (): boolean => {
    const least = idle.shift()
    if (least === undefined) return false
    drop.push(least.peerId)
    count--
    return true
  }
  const take = (peerId: string) => {
    dial.push(peerId)
    count++
  }

  while (count > MAX_NEIGHBOURS && let1Go());
  const wanted = known.filter((peer) => peer.wanted)
  for (const { peerId, scarce } of [
    ...wanted.filter((peer) => peer.scarce),
    ...wanted.filter((peer) => !peer.scarce)
  ]) {
    if (dial.length >= state.maxDials) break
    if (count < TARGET_NEIGHBOURS || let1Go() || (scarce && count < MAX_NEIGHBOURS)) take(peerId)
  }
  const others = known.filter((peer) => !peer.wanted)
  const fill = Math.min(FILL_STEP - dialling, state.maxDials) - dial.length
  for (const { peerId } of others.splice(0, Math.max(0, Math.min(fill, TARGET_NEIGHBOURS - count)))) take(peerId)

  const [other] = others
  const due = now - lastTurnoverAt >= TURNOVER_MS && drop.length === 0 && dial.length === 0
  const turnover = due && count >= TARGET_NEIGHBOURS && state.maxDials > 0 && other !== undefined && let1Go()
  if (turnover && other !== undefined) take(other.peerId)
  return { dial, drop, turnover }
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
