import type { Digest } from '@shoal/oci'

/** A zone to which nothing has come for this long from itself or the registry may fetch from other zones' agents. */
export const FAR_AFTER_MS = 1_000
/** After this time any agent of the zone may, and not only the one whose turn the chunk is. */
export const TAKEOVER_AFTER_MS = 3_000
/** Without a registry an agent waits this long at the start, until it knows who else of its zone wants the blob. */
export const ACQUAINTED_AFTER_MS = 250

/** Whether chunks may be asked of agents in other zones: not at all, those whose turn it is ours to fetch, or all. */
export type FarLeave = 'none' | 'owned' | 'all'

/** What that depends on; times in ms. */
export interface FarState {
  /** Whether the registry has the blob and answers: it counts what it sends to each zone, which agents cannot. */
  readonly registry: boolean
  /** When something came last from the registry or our own zone, or the download began. */
  readonly homeProgressAt: number
  readonly startedAt: number
  readonly now: number
}

/**
 * Whether an agent may ask agents of other zones for what its zone lacks. While the registry answers it is the better source: it sends
 * each chunk to each zone once, however many ask. Deadlines, not promises, decide: a peer that is to fetch a chunk and
 * does not starves nobody for longer than {@link TAKEOVER_AFTER_MS}.
 */
export function farLeave({ registry, homeProgressAt, startedAt, now }: FarState): FarLeave {
  const silentMs = now - homeProgressAt
  if (silentMs >= TAKEOVER_AFTER_MS) return 'all'
  const patience = registry ? FAR_AFTER_MS : 0
  return silentMs >= patience && now - startedAt >= ACQUAINTED_AFTER_MS ? 'owned' : 'none'
}

/**
 * Whose turn it is to fetch a chunk into a zone: the peer with the highest hash (rendezvous hashing), so that all who know the
 * same peers agree without a word, and a peer that leaves changes only what was its turn.
 *
 * @param peers ids of the zone's agents that want the blob, ourselves included
 * @returns undefined when there are none
 */
export function ownerOf(digest: Digest, index: number, peers: Iterable<string>): string | undefined {
  let owner: string | undefined
  let most = -1
  for (const peer of peers) {
    const weight = hash(`${index} ${peer} ${digest}`)
    if (weight < most || (weight === most && owner !== undefined && peer > owner)) continue
    most = weight
    owner = peer
  }
  return owner
}

/** What the choice must know of a peer in the blob's swarm. */
export interface ZoneMate {
  readonly peerId: string
  readonly role: 'registry' | 'agent'
  readonly near: boolean
  /** It wants the blob too. */
  readonly wants: boolean
  readonly absent: boolean
}

/** Whether it is the turn of `self` to fetch a chunk into its zone, as far as it knows the others there. See {@link ownerOf}. */
export function isTurnOf(self: string, digest: Digest, index: number, peers: readonly ZoneMate[]): boolean {
  const mates = peers.filter(({ role, near, wants, absent }) => role === 'agent' && near && wants && !absent)
  return ownerOf(digest, index, [self, ...mates.map(({ peerId }) => peerId)]) === self
}

/** FNV-1a with the last bits mixed into the first, 32 bits: spread evenly is all that it must be. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}
