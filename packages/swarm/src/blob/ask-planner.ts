import type { Bitfield } from '@shoal/content'
import { openChunks, pickChunk } from './chunk-picker.ts'
import type { UrgentChunk } from './deadlines.ts'
import { type Flights, MAX_COPIES } from './flights.ts'

import { MIN_ENDGAME_LATENESS_MS, type PeerPace } from './peer-pace.ts'
import { farLeave } from './zones.ts'

/** A leech to which nothing has come for this long is starving, and may ask the registry again. */
export const STARVING_MS = 1_000
/**
 * An agent that needs longer than this for what it was asked for already, or sends nothing of it for so long, does not count as
 * one that can be asked.
 */
export const MAX_BACKLOG_SECONDS = 2
/** What a starving leech asks the registry for at a time: others are likely to have it soon. */
const STARVING_CHUNKS = 1
/** A late chunk is not asked of the registry before this. */
export const REGISTRY_LATENESS_MS = 5_000
/** How late a chunk must be before it is asked for elsewhere, when its peer has not answered yet. */
export const DEFAULT_LATENESS_MS = 1_000

/** What the planner must know of a peer. */
export interface PlannedPeer {
  readonly role: 'registry' | 'agent'
  /** Whether it is in our own zone. */
  readonly near: boolean
  readonly have: Bitfield | undefined
  readonly distrusted: boolean
  readonly pace: PeerPace
  readonly outstanding: number
  readonly anyOutstanding: number
  /** Since when nothing has come of what it was asked for by number; undefined when it owes nothing. */
  readonly owesSince: number | undefined
  /** A registry that has sent everything once is not asked for any before this time. */
  readonly exhaustedUntil: number
  /** Not asked for anything before this time: it said that it was busy, or that we may not. */
  readonly pausedUntil: number
  /** Chunks that it is not asked for by number before a time: it sent them to another just now, or often enough. */
  readonly refusedUntil: ReadonlyMap<number, number>
}

/** What is to be asked of a peer. */
export type Ask<Peer> =
  | { readonly peer: Peer; readonly index: number }
  | { readonly peer: Peer; readonly any: number; readonly again: boolean; readonly except: readonly number[] }

/** The state of a download, as far as the plan depends on it. */
export interface PlanState<Peer extends PlannedPeer> {
  readonly have: Bitfield
  readonly chunkSize: number
  readonly peers: readonly Peer[]
  readonly flights: Flights<Peer>
  /** What readers have waited for too long, most urgent first. */
  readonly urgent: readonly UrgentChunk[]
  /** How many agents hold a chunk. */
  readonly availability: (index: number) => number
  /** Chunks that may still be asked for now: the memory for them is bounded. */
  readonly room: number
  /** When something useful came last, or the chunk map began to be looked for. */
  readonly progressAt: number
  /** The same without what came from agents of other zones. */
  readonly homeProgressAt: number
  /** When chunks could be asked for first. */
  readonly startedAt: number
  /** Whether it is our turn to fetch a chunk into our zone. */
  readonly owns: (index: number) => boolean
  readonly now: number
  readonly random: () => number
}

/**
 * Decides what to ask of whom. From agents of our zone: chunks by number, rarest first. From the registry: any, so that
 * the seed chooses, and only what no agent of our zone at hand holds. From agents of other zones: what neither of them gives. When every missing chunk is asked for, the late ones are asked for
 * elsewhere too. A function of its arguments alone: it asks nobody, it only says what should be asked.
 */
export function planAsks<Peer extends PlannedPeer>(state: PlanState<Peer>): Ask<Peer>[] {
  const asks: Ask<Peer>[] = []
  const planned = new Set<number>()
  let room = state.room
  const usable = state.peers.filter((peer) => {
    return !peer.distrusted && peer.have !== undefined && state.now >= peer.pausedUntil
  })
  const agents = shuffle(
    usable.filter((peer) => peer.role === 'agent'),
    state.random
  )
  const slots = new Map(
    usable.map((peer) => [peer, Math.max(0, peer.pace.queueLength(state.chunkSize) - peer.outstanding)] as const)
  )
  const taken = (index: number) => state.flights.has(index) || planned.has(index)

  for (const { index, fromRegistry } of state.urgent) {
    if (room === 0 || state.have.has(index) || taken(index)) continue
    const isFar = (peer: Peer) => peer.role === 'registry' || !peer.near
    const holders = usable.filter((peer) => gives(peer, index, state.now) && (fromRegistry || !isFar(peer)))
    // The one that is likely to send it first; the registry last, because the others live on it too.
    const peer = holders.sort((a, b) => urgentRank(a) - urgentRank(b))[0]
    if (peer === undefined) continue
    asks.push({ peer, index })
    planned.add(index)
    slots.set(peer, Math.max(0, (slots.get(peer) ?? 0) - 1))
    room--
  }

  // Most of the time all that agents hold has been asked for: this is run for every chunk that comes or is told of.
  const open = openChunks(state.have, taken)
  const { windowEnd } = open
  const { availability, random } = state
  const held = open.chunks.filter((index) => availability(index) > 0)
  const askInTurn = (peers: readonly Peer[], chunks: number[]) => {
    for (let asked = chunks.length > 0; asked && room > 0; ) {
      asked = false
      for (const peer of peers) {
        const free = slots.get(peer) ?? 0
        if (free === 0 || room === 0 || peer.have === undefined) continue
        const { refusedUntil } = peer
        const open = refusedUntil.size === 0 ? chunks : chunks.filter((index) => gives(peer, index, state.now))
        const index = pickChunk({ chunks: open, windowEnd, offered: peer.have, availability, random })
        if (index === undefined) continue
        chunks.splice(chunks.indexOf(index), 1)
        asks.push({ peer, index })
        planned.add(index)
        slots.set(peer, free - 1)
        room--
        asked = true
      }
    }
  }
  const near = agents.filter((peer) => peer.near)
  askInTurn(near, held)

  // What only slow agents hold is as good as not held: the registry sends it if it has not sent it before.
  const quick = near.filter((peer) => {
    return (
      peer.pace.secondsFor(peer.outstanding * state.chunkSize) <= MAX_BACKLOG_SECONDS &&
      state.now - (peer.owesSince ?? state.now) <= MAX_BACKLOG_SECONDS * 1000
    )
  })
  const isHeld = (index: number) => availability(index) > 0 && quick.some((peer) => gives(peer, index, state.now))
  if (near.length < agents.length) {
    const leave = farLeave({ ...state, registry: usable.some(({ role }) => role === 'registry') })
    const ours = (index: number) => !isHeld(index) && (leave === 'all' || state.owns(index))
    const far = agents.filter((peer) => !peer.near)
    if (leave !== 'none') askInTurn(far, held.filter(ours))
  }
  const unheld = open.chunks.filter((index) => !planned.has(index) && !isHeld(index)).length
  // Looking for the chunk map and for peers is no hunger: while that took long, nothing could come.
  const hungrySince = Math.max(state.progressAt, state.startedAt)
  const starving = agents.length === 0 || (asks.length === 0 && state.now - hungrySince >= STARVING_MS)
  for (const peer of usable) {
    if (peer.role !== 'registry') continue
    // Only once it has said that all was sent once is it asked for what may have been sent before.
    const again = state.now < peer.exhaustedUntil
    if (again && !starving) continue
    const wanted = Math.max(0, (starving ? countMissing(state, taken) : unheld) - peer.anyOutstanding)
    const any = Math.min(
      again && agents.length > 0 ? STARVING_CHUNKS : wanted,
      wanted,
      peer.pace.choiceLength(state.chunkSize) - peer.anyOutstanding,
      slots.get(peer) ?? 0,
      room
    )
    if (any <= 0) continue
    asks.push({ peer, any, again, except: [...state.flights.indexes, ...planned] })
    room -= any
  }
  if (room > 0 && planned.size === 0) asks.push(...planLate(state, usable, slots, room))
  return asks
}

/** Whether a peer may be asked for a chunk by number now. */
function gives(peer: PlannedPeer, index: number, now: number): boolean {
  return peer.have?.has(index) === true && now >= (peer.refusedUntil.get(index) ?? 0)
}

/** An agent of another zone comes behind all of ours, and before the registry. */
const FAR_RANK = 1_000_000

function urgentRank(peer: PlannedPeer): number {
  return peer.outstanding + (peer.role === 'registry' ? Number.MAX_SAFE_INTEGER / 2 : peer.near ? 0 : FAR_RANK)
}

/** Late chunks, asked for once more. In the endgame, when all that is missing has been asked for, they are late sooner. */
function planLate<Peer extends PlannedPeer>(
  state: PlanState<Peer>,
  peers: readonly Peer[],
  slots: ReadonlyMap<Peer, number>,
  room: number
): Ask<Peer>[] {
  const asks: Ask<Peer>[] = []
  const endgame = state.have.length - state.have.count <= state.flights.size
  const used = new Map<Peer, number>()
  for (const { index, peers: askedOf, since } of state.flights.askedBy(state.now - MIN_ENDGAME_LATENESS_MS)) {
    if (asks.length === room || state.have.has(index)) continue
    const age = state.now - since
    const lateness = Math.max(...askedOf.map((peer) => peer.pace.latenessMs(endgame) ?? DEFAULT_LATENESS_MS))
    if (age < lateness) continue
    const other = peers.find((peer) => {
      if (askedOf.includes(peer) || !gives(peer, index, state.now)) return false
      // Peers that send nothing must not keep the registry out by their number.
      if (askedOf.length >= MAX_COPIES && (peer.role === 'agent' || askedOf.length > MAX_COPIES)) return false
      if ((slots.get(peer) ?? 0) <= (used.get(peer) ?? 0)) return false
      return (peer.role === 'agent' && peer.near) || age >= Math.max(2 * lateness, REGISTRY_LATENESS_MS)
    })
    if (other === undefined) continue
    used.set(other, (used.get(other) ?? 0) + 1)
    asks.push({ peer: other, index })
  }
  return asks
}

function countMissing<Peer extends PlannedPeer>(state: PlanState<Peer>, except: (index: number) => boolean): number {
  let count = 0
  for (const index of state.have.missing()) if (!except(index)) count++
  return count
}

function shuffle<T>(items: T[], random: () => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const a = items[i]
    const b = items[j]
    if (a === undefined || b === undefined) continue
    items[i] = b
    items[j] = a
  }
  return items
}
