import { type ChunkBuffer, type ChunkBuffers, chunkCount, chunkLength, type PartialBlob } from '@shoal/content'
import type { Clock } from '../clock.ts'
import { type ControlFrame, MAX_INDEXES } from '../exchange/frame.ts'
import type { Link } from '../exchange/link.ts'
import { WireError } from '../wire.ts'
import type { Ask } from './ask-planner.ts'
import { Assembly, type Place } from './assembly.ts'
import { Flights } from './flights.ts'
import type { Participant } from './participant.ts'

/** A peer that says it has sent everything, or a chunk, is not asked for any, or for that one, before this. */
export const EXHAUSTED_PAUSE_MS = 500

/** A peer that has too much to send already is let be for this long. */
export const BUSY_PAUSE_MS = 200
/** A peer that says that we may not have a chunk is let be for this long. */
export const DENIED_PAUSE_MS = 30_000

/** What requests are made with. */
export interface ChunkRequestsInit {
  readonly blob: PartialBlob
  /** Memory for chunks. */
  readonly buffers: Pick<ChunkBuffers, 'take'>
  readonly clock: Clock
  /** Our number for the blob on a link. */
  readonly channel: (link: Link) => number
  /** Bytes came that nobody asked for. @throws WireError when no earlier download can have asked for them either */
  readonly stray: (link: Link, bytes: number) => void
  /** Tells a peer again all that is held here. */
  readonly refresh: (participant: Participant) => void
  /** Bytes that were asked for are counted against the download rate, and given back when they are taken back. */
  readonly spend: (bytes: number) => void
}

/**
 * What has been asked of whom for one blob, and what has come of it: sends asks, puts pieces together, takes asks back,
 * and bears with what comes although it was taken back, but with no more.
 */
export class ChunkRequests {
  readonly flights = new Flights<Participant>()
  readonly #init: ChunkRequestsInit
  readonly #assemblies = new Map<Participant, Assembly>()
  /** Bytes that a peer may still send of chunks that were taken back. */
  readonly #tolerated = new Map<Participant, number>()

  constructor(init: ChunkRequestsInit) {
    this.#init = init
  }

  /** Asks. */
  send(asks: readonly Ask<Participant>[]): void {
    const { clock, blob, channel, spend, refresh } = this.#init
    const now = clock.now()
    const numbered = new Map<Participant, number[]>()
    for (const ask of asks) {
      const { peer } = ask
      if ('any' in ask) {
        peer.anyOutstanding += ask.any
        peer.anyAskedAt = now
        spend(ask.any * blob.map.chunkSize)
        // Whoever is asked for what it may have sent before must know what is here by now.
        if (ask.again) refresh(peer)
        const except = ask.except.slice(0, MAX_INDEXES)
        peer.link.send({ type: 'askAny', channel: channel(peer.link), count: ask.any, again: ask.again, except })
      } else {
        peer.asked.set(ask.index, now)
        this.flights.add(ask.index, peer, now)
        spend(blob.map.chunkSize)
        numbered.set(peer, [...(numbered.get(peer) ?? []), ask.index])
      }
    }
    for (const [{ link }, indexes] of numbered) link.send({ type: 'ask', channel: channel(link), indexes })
  }

  /**
   * A piece of a chunk is about to come.
   *
   * @returns where it goes; undefined when it was taken back
   * @throws WireError when it was not asked for or does not fit
   */
  begin(participant: Participant, index: number, offset: number, length: number): Place | undefined {
    const { blob, buffers } = this.#init
    if (index >= chunkCount(blob.map)) throw new WireError(`chunk ${index}, the blob has ${chunkCount(blob.map)}`)
    const assembly = this.#assemblies.get(participant) ?? new Assembly()
    this.#assemblies.set(participant, assembly)
    // A chunk that was taken back and asked for anew begins again, behind what was on its way of it before.
    const left = offset === 0 ? assembly.restart(index) : 0
    if (left > 0) this.#tolerate(participant, left)
    if (offset === 0 && !assembly.has(index)) {
      if (!this.#expect(participant, index)) return this.#tolerate(participant, length)
      if (blob.have.has(index)) {
        this.takeBack(participant, [index])
        return this.#tolerate(participant, length)
      }
      assembly.begin(index, buffers.take(chunkLength(blob.map, index)))
    }
    if (!assembly.has(index)) return this.#tolerate(participant, length)
    return assembly.place(index, offset, length)
  }

  /** A piece has come, and with it perhaps the whole chunk; its flight ends when the caller has dealt with it. */
  arrived(participant: Participant, index: number, chunk: ChunkBuffer | undefined): void {
    if (chunk === undefined) return
    const now = this.#init.clock.now()
    const askedAt = participant.asked.get(index) ?? now
    participant.pace.arrived(chunk.bytes.length, now - askedAt, now - Math.max(participant.lastChunkAt, askedAt))
    participant.lastChunkAt = now
    participant.asked.delete(index)
  }

  /** Cancels chunks that were asked of a peer. */
  takeBack(participant: Participant, indexes: readonly number[]): void {
    if (indexes.length === 0) return
    const { channel, blob } = this.#init
    this.#tellHeld(participant, indexes)
    participant.link.send({
      type: 'cancel',
      channel: channel(participant.link),
      indexes: indexes.slice(0, MAX_INDEXES)
    })
    for (const index of indexes) {
      participant.asked.delete(index)
      this.flights.remove(index, participant)
      this.#assemblies.get(participant)?.drop(index)
    }
    const bytes = indexes.length * blob.map.chunkSize
    this.#bearWith(participant, bytes)
    this.#init.spend(-bytes)
  }

  /** A chunk is here: whoever else was asked for it need not send it, and was too slow. */
  landed(index: number, from?: Participant): void {
    if (from !== undefined) this.flights.remove(index, from)
    for (const other of this.flights.land(index)) {
      other.pace.outrun()
      this.takeBack(other, [index])
    }
  }

  /** Takes back everything asked of a peer that does not answer, and lets it be for a while. */
  shun(participant: Participant): void {
    this.takeAllBack(participant)
    participant.shunnedAt = this.#init.clock.now()
  }

  /** Takes back everything asked of a peer. */
  takeAllBack(participant: Participant): void {
    const { channel, blob } = this.#init
    if (participant.anyOutstanding > 0) {
      participant.link.send({ type: 'cancel', channel: channel(participant.link), indexes: [] })
      this.#bearWith(participant, participant.anyOutstanding * blob.map.chunkSize)
      this.#init.spend(-participant.anyOutstanding * blob.map.chunkSize)
      participant.anyOutstanding = 0
    }
    this.takeBack(participant, [...participant.asked.keys()])
  }

  /** A peer will not send what it was asked for. */
  rejected(participant: Participant, frame: Extract<ControlFrame, { type: 'reject' }>): void {
    const any = Math.min(participant.anyOutstanding, frame.any)
    participant.anyOutstanding -= any
    let refused = any
    const now = this.#init.clock.now()
    if (frame.any > 0) participant.exhaustedUntil = now + EXHAUSTED_PAUSE_MS
    if (frame.reason === 'busy') participant.pausedUntil = now + BUSY_PAUSE_MS
    if (frame.reason === 'denied') participant.pausedUntil = now + DENIED_PAUSE_MS
    for (const index of frame.indexes) {
      if (frame.reason === 'exhausted' && participant.asked.has(index))
        participant.refusedUntil.set(index, now + EXHAUSTED_PAUSE_MS)
      if (participant.asked.delete(index)) refused++
      this.flights.remove(index, participant)
      // Pieces of it may have come, or still come over the other lane.
      if (this.#assemblies.get(participant)?.drop(index) === true)
        this.#bearWith(participant, this.#init.blob.map.chunkSize)
    }
    this.#init.spend(-refused * this.#init.blob.map.chunkSize)
  }

  /** A peer has gone, and what it was asked for with it. */
  forget(participant: Participant): void {
    this.#init.spend(-participant.outstanding * this.#init.blob.map.chunkSize)
    this.flights.ground(participant)
    this.#assemblies.get(participant)?.clear()
    this.#assemblies.delete(participant)
    this.#tolerated.delete(participant)
  }

  /** Gives back the memory of chunks that have not come to their end. */
  close(): void {
    for (const assembly of this.#assemblies.values()) assembly.clear()
  }

  /** Bytes that a peer may still send of what it was asked for, whether that was taken back or not. */
  owed(participant: Participant): number {
    const { chunkSize } = this.#init.blob.map
    return (this.#tolerated.get(participant) ?? 0) + participant.outstanding * chunkSize
  }

  /** Whether this peer was asked for the chunk; one of its own choice counts as asked for from now on. */
  #expect(participant: Participant, index: number): boolean {
    if (participant.asked.has(index)) return true
    if (participant.anyOutstanding === 0) return false
    const now = this.#init.clock.now()
    participant.anyOutstanding--
    participant.asked.set(index, participant.anyAskedAt)
    for (const other of this.flights.land(index)) {
      if (this.#assemblies.get(other)?.has(index) === true) this.flights.add(index, other, now)
      else this.takeBack(other, [index])
    }
    this.flights.add(index, participant, now)
    return true
  }

  /**
   * A registry is not told of what comes in. One that was to send a chunk that is here must know why it need not, or it
   * takes the chunk for lost, and sends it to whoever asks next, who has it too.
   */
  #tellHeld({ role, link }: Participant, indexes: readonly number[]): void {
    const { channel, blob } = this.#init
    const held = role === 'registry' ? indexes.filter((index) => blob.have.has(index)) : []
    if (held.length > 0) link.send({ type: 'have', channel: channel(link), indexes: held.slice(0, MAX_INDEXES) })
  }

  #bearWith(participant: Participant, bytes: number): void {
    this.#tolerated.set(participant, (this.#tolerated.get(participant) ?? 0) + bytes)
  }

  #tolerate(participant: Participant, length: number): undefined {
    const left = (this.#tolerated.get(participant) ?? 0) - length
    // An earlier download of the same blob may have asked for it.
    if (left < 0) this.#init.stray(participant.link, length)
    else this.#tolerated.set(participant, left)
  }
}
