import type { KeyObject } from 'node:crypto'
import {
  ChunkMismatchError,
  type ContentStore,
  chunkCount,
  chunkLength,
  type PartialBlob,
  type SignedChunkMap
} from '@shoal/content'
import type { Digest } from '@shoal/oci'
import type { Clock } from '../clock.ts'
import type { ControlFrame } from '../exchange/frame.ts'
import { MAX_INDEXES } from '../exchange/frame.ts'
import type { Link } from '../exchange/link.ts'
import type { Logger } from '../logger.ts'
import type { SwarmMetrics } from '../swarm-metrics.ts'
import type { TransferMetrics } from '../transfer-metrics.ts'
import { WireError } from '../wire.ts'
import { type Ask, planAsks } from './ask-planner.ts'
import { Assembly } from './assembly.ts'
import type { BlobSwarm, SwarmListener } from './blob-swarm.ts'
import type { Fallback } from './fallback.ts'
import { FALLBACK_DELAY_MS, FallbackReader } from './fallback-reader.ts'
import { Flights } from './flights.ts'
import { holdPartial } from './holding.ts'
import { MapSearch } from './map-search.ts'
import type { Participant } from './participant.ts'

const TICK_MS = 100
/** A peer that says it has sent everything once is not asked for any before this. */
const EXHAUSTED_PAUSE_MS = 500
/** What was asked of a peer that sends nothing for this long is taken back. */
export const SILENCE_MS = 5_000
/** A download to which nothing has come for this long fails. What it has is kept on disk. */
export const STALLED_MS = 30_000

/** Nothing came for too long. */
export class DownloadStalledError extends Error {
  readonly code = 'DOWNLOAD_STALLED'

  constructor(digest: Digest) {
    super(`no chunk of ${digest} came for ${STALLED_MS / 1000} s; what has come is kept and used by the next try`)
    this.name = 'DownloadStalledError'
  }
}

/** How far a download is. */
export interface DownloadProgress {
  readonly digest: Digest
  /** Bytes; undefined before the chunk map is known. */
  readonly size: number | undefined
  readonly verifiedBytes: number
  readonly peers: number
  readonly fromPeersBytes: number
  readonly fromRegistryBytes: number
}

/** What a download needs. */
export interface DownloadInit {
  readonly swarm: BlobSwarm
  readonly store: ContentStore
  readonly authorityKey: KeyObject
  readonly fallback: Fallback | undefined
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly metrics: SwarmMetrics
  readonly transfer: TransferMetrics
  /** Our number for the blob on a link. */
  readonly channel: (link: Link) => number
  /** Links that have been told of our want, or will be once the peer has shown its certificate. */
  readonly links: () => number
  /** Resolves when every way of finding further peers has been tried. */
  readonly discovery: Promise<void>
  /** Bytes that may still be asked for, over all downloads. */
  readonly roomBytes: () => number
  /** Bytes of chunks that were asked for are counted against the download rate. */
  readonly pace: { delayMs(): number; spend(bytes: number): void }
  readonly ban: (peerId: string, reason: string) => void
}

/**
 * Brings one blob here: finds its chunk map, asks peers for chunks, checks what comes, and asks elsewhere for what is
 * wrong, late or lost. What to ask of whom is {@link planAsks}; this class carries it out.
 */
export class Download implements SwarmListener {
  /** Resolves with the blob as soon as its size is known; rejects when nobody has it. */
  readonly opened: Promise<PartialBlob>
  /** Resolves when the blob is whole and durable. */
  readonly done: Promise<void>
  readonly #init: DownloadInit
  readonly #opened = Promise.withResolvers<PartialBlob>()
  readonly #done = Promise.withResolvers<void>()
  readonly #controller = new AbortController()
  readonly #search: MapSearch
  readonly #flights = new Flights<Participant>()
  readonly #assemblies = new Map<Participant, Assembly>()
  /** Bytes that a peer may still send of chunks that were taken back. */
  readonly #tolerated = new Map<Participant, number>()
  readonly #startedAt: number
  #blob: PartialBlob | undefined
  #fallback: FallbackReader | undefined
  readonly #storing = new Set<Promise<void>>()
  #planning = false
  #over = false
  #idleSince: number | undefined
  #peerProgressAt: number
  #progressAt: number
  #fromPeers = 0
  #fromRegistry = 0
  readonly #stopTick: () => void

  constructor(init: DownloadInit) {
    this.#init = init
    this.opened = this.#opened.promise
    this.done = this.#done.promise
    // Whoever asked may have gone; a failure is then nobody's business but the log's.
    this.opened.catch((error: unknown) => init.logger.debug({ error, digest: this.digest }, 'download not opened'))
    this.done.catch((error: unknown) => init.logger.debug({ error, digest: this.digest }, 'download failed'))
    this.#startedAt = init.clock.now()
    this.#peerProgressAt = this.#startedAt
    this.#progressAt = this.#startedAt
    this.#search = new MapSearch({
      digest: init.swarm.digest,
      authorityKey: init.authorityKey,
      fallback: init.fallback,
      clock: init.clock,
      signal: this.#controller.signal,
      discovery: init.discovery,
      channel: ({ link }) => init.channel(link),
      unanswered: () => init.links() - init.swarm.participants.size,
      found: (signed) => void this.#open(signed),
      failed: (error) => this.#fail(error),
      lied: (participant) => this.#init.ban(participant.peerId, 'chunk-map')
    })
    this.#stopTick = init.clock.every(TICK_MS, () => this.#tick())
  }

  get digest(): Digest {
    return this.#init.swarm.digest
  }

  /** Bytes that have been asked for and are not on disk. */
  get pendingBytes(): number {
    if (this.#blob === undefined) return 0
    let chunks = this.#storing.size
    for (const participant of this.#participants()) chunks += participant.outstanding
    return chunks * this.#blob.map.chunkSize
  }

  get progress(): DownloadProgress {
    const blob = this.#blob
    const lacking = blob === undefined ? 0 : (blob.have.length - blob.have.count) * blob.map.chunkSize
    const participants = [...this.#participants()]
    return {
      digest: this.digest,
      size: blob?.map.size,
      verifiedBytes: blob === undefined ? 0 : Math.max(0, blob.map.size - lacking),
      peers: participants.filter(({ have }) => have !== undefined && have.count > 0).length,
      fromPeersBytes: this.#fromPeers,
      fromRegistryBytes: this.#fromRegistry
    }
  }

  /** Starts with a chunk map that is known already. */
  openWith(signed: SignedChunkMap): void {
    this.#search.stop()
    void this.#open(signed)
  }

  /** Ends the download, if it has not ended; what has come stays on disk. Resolves when that is so. */
  async stop(reason: Error): Promise<void> {
    this.#fail(reason)
    await Promise.allSettled([this.done, ...this.#storing])
  }

  #participants(): Iterable<Participant> {
    return this.#init.swarm.participants.values()
  }

  async #open(signed: SignedChunkMap): Promise<void> {
    const { store, swarm, fallback, clock, logger } = this.#init
    try {
      const blob = await store.partial(signed)
      if (this.#over) {
        await blob.release()
        return
      }
      this.#blob = blob
      swarm.hold(holdPartial(blob, signed.segments))
      if (fallback !== undefined) {
        this.#fallback = new FallbackReader({
          fallback,
          blob,
          clock,
          logger,
          signal: this.#controller.signal,
          stored: (index, bytes) => {
            this.#stored('registry', index, bytes)
            this.#finishIfWhole()
          },
          rejected: () => this.#init.metrics.rejected('digest'),
          broken: (error) => this.#fail(error)
        })
      }
      this.#opened.resolve(blob)
      this.#progressAt = clock.now()
      this.#plan()
      this.#finishIfWhole()
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  onParticipant(participant: Participant): void {
    if (this.#blob === undefined) this.#search.onParticipant(participant)
    this.#plan()
  }

  onHave(): void {
    this.#plan()
  }

  onGone(participant: Participant): void {
    this.#search.onGone(participant)
    this.#flights.ground(participant)
    this.#assemblies.delete(participant)
    this.#tolerated.delete(participant)
    this.#plan()
  }

  onMap(participant: Participant, frame: Extract<ControlFrame, { type: 'map' }>): void {
    this.#search.onMap(participant, frame)
  }

  onReject(participant: Participant, frame: Extract<ControlFrame, { type: 'reject' }>): void {
    participant.anyOutstanding = Math.max(0, participant.anyOutstanding - frame.any)
    for (const index of frame.indexes) {
      participant.asked.delete(index)
      this.#flights.remove(index, participant)
      // It said that it had the chunk; now it does not, and is not asked again.
      if (frame.reason === 'lacking' && index < (participant.have?.length ?? 0)) participant.have?.clear(index)
    }
    if (frame.any > 0) participant.exhaustedUntil = this.#init.clock.now() + EXHAUSTED_PAUSE_MS
    this.#plan()
  }

  onChunkStart(participant: Participant, index: number, offset: number, length: number): Uint8Array | undefined {
    const blob = this.#blob
    if (blob === undefined || index >= chunkCount(blob.map)) {
      throw new WireError(`chunk ${index} came without being asked for`)
    }
    const assembly = this.#assemblies.get(participant) ?? new Assembly()
    this.#assemblies.set(participant, assembly)
    if (offset === 0 && !assembly.has(index)) {
      if (!this.#expect(participant, index)) return this.#tolerate(participant, length)
      if (blob.have.has(index)) {
        this.#takeBack(participant, [index])
        return this.#tolerate(participant, length)
      }
      assembly.begin(index, chunkLength(blob.map, index))
    }
    if (!assembly.has(index)) return this.#tolerate(participant, length)
    return assembly.place(index, offset, length)
  }

  onChunkEnd(participant: Participant, index: number, length: number): void {
    const now = this.#init.clock.now()
    const gap = now - Math.max(participant.lastArrivalAt, participant.asked.get(index) ?? now)
    participant.lastArrivalAt = now
    this.#peerProgressAt = now
    this.#progressAt = now
    const chunk = this.#assemblies.get(participant)?.placed(index, length)
    if (chunk === undefined) return
    participant.pace.arrived(chunk.length, now - (participant.asked.get(index) ?? now), Math.max(gap, 1))
    participant.asked.delete(index)
    const storing = this.#store(participant, index, chunk).finally(() => this.#storing.delete(storing))
    this.#storing.add(storing)
  }

  /** Whether this peer was asked for the chunk; a chunk of its choice is counted as asked for from now on. */
  #expect(participant: Participant, index: number): boolean {
    if (participant.asked.has(index)) return true
    if (participant.anyOutstanding === 0) return false
    participant.anyOutstanding--
    participant.asked.set(index, participant.anyAskedAt)
    for (const other of this.#flights.land(index)) {
      if (this.#assemblies.get(other)?.has(index) === true) this.#flights.add(index, other, this.#init.clock.now())
      else this.#takeBack(other, [index])
    }
    this.#flights.add(index, participant, this.#init.clock.now())
    return true
  }

  /** Lets bytes pass that come although they were taken back, up to as many as were. */
  #tolerate(participant: Participant, length: number): undefined {
    const left = (this.#tolerated.get(participant) ?? 0) - length
    if (left < 0) throw new WireError('the peer sends what it was not asked for')
    this.#tolerated.set(participant, left)
  }

  /** Cancels chunks that were asked of a peer. */
  #takeBack(participant: Participant, indexes: readonly number[]): void {
    const blob = this.#blob
    if (blob === undefined || indexes.length === 0) return
    participant.link.send({ type: 'cancel', channel: this.#init.channel(participant.link), indexes })
    for (const index of indexes) {
      participant.asked.delete(index)
      this.#flights.remove(index, participant)
      this.#assemblies.get(participant)?.drop(index)
    }
    const bytes = indexes.length * blob.map.chunkSize
    this.#tolerated.set(participant, (this.#tolerated.get(participant) ?? 0) + bytes)
  }

  async #store(participant: Participant, index: number, chunk: Uint8Array): Promise<void> {
    const blob = this.#blob
    if (blob === undefined) return
    try {
      const result = await blob.put(index, chunk)
      if (result === 'stored') this.#stored(participant.role === 'registry' ? 'registry' : 'peer', index, chunk.length)
      else this.#init.metrics.wasted(chunk.length)
      this.#flights.remove(index, participant)
      for (const other of this.#flights.land(index)) this.#takeBack(other, [index])
    } catch (error) {
      this.#flights.remove(index, participant)
      if (error instanceof ChunkMismatchError) this.#onWrongChunk(participant, index)
      else this.#fail(error instanceof Error ? error : new Error(String(error)))
    }
    this.#plan()
    this.#finishIfWhole()
  }

  #stored(from: 'registry' | 'peer', index: number, bytes: number): void {
    this.#init.transfer.received(from, bytes)
    if (from === 'registry') this.#fromRegistry += bytes
    else this.#fromPeers += bytes
    this.#progressAt = this.#init.clock.now()
    this.#init.swarm.announce(index)
  }

  #onWrongChunk(participant: Participant, index: number): void {
    this.#init.logger.warn({ peer: participant.peerId, digest: this.digest, index }, 'a peer sent a wrong chunk')
    this.#init.metrics.rejected('digest')
    participant.distrusted = true
    // The registry is not banned: without it there is no admission. Its other blobs may be fine.
    if (participant.role === 'agent') this.#init.ban(participant.peerId, 'wrong-chunk')
  }

  #plan(): void {
    if (this.#planning || this.#over) return
    this.#planning = true
    queueMicrotask(() => {
      this.#planning = false
      if (!this.#over && this.#blob !== undefined && !this.#blob.have.complete) this.#ask(this.#blob)
    })
  }

  #ask(blob: PartialBlob): void {
    const { clock, random, swarm, roomBytes, pace } = this.#init
    if (pace.delayMs() > 0) return
    const now = clock.now()
    const peers = [...this.#participants()]
    const waiting = this.#flights.size > 0 || peers.some((peer) => peer.outstanding > 0)
    this.#idleSince = waiting ? undefined : (this.#idleSince ?? now)
    const asks = planAsks({
      have: blob.have,
      chunkSize: blob.map.chunkSize,
      peers,
      flights: this.#flights,
      availability: (index) => swarm.availability(index),
      room: Math.floor(roomBytes() / blob.map.chunkSize),
      idleSince: this.#idleSince,
      now,
      random
    })
    this.#send(asks, blob, now)
  }

  #send(asks: readonly Ask<Participant>[], blob: PartialBlob, now: number): void {
    const numbered = new Map<Participant, number[]>()
    for (const ask of asks) {
      const channel = this.#init.channel(ask.peer.link)
      if ('any' in ask) {
        ask.peer.anyOutstanding += ask.any
        ask.peer.anyAskedAt = now
        this.#init.pace.spend(ask.any * blob.map.chunkSize)
        const except = ask.except.slice(0, MAX_INDEXES)
        ask.peer.link.send({ type: 'askAny', channel, count: ask.any, again: ask.again, except })
      } else {
        ask.peer.asked.set(ask.index, now)
        this.#flights.add(ask.index, ask.peer, now)
        this.#init.pace.spend(blob.map.chunkSize)
        numbered.set(ask.peer, [...(numbered.get(ask.peer) ?? []), ask.index])
      }
    }
    for (const [{ link }, indexes] of numbered) link.send({ type: 'ask', channel: this.#init.channel(link), indexes })
  }

  #tick(): void {
    const blob = this.#blob
    if (this.#over || blob === undefined) return
    const now = this.#init.clock.now()
    for (const participant of this.#participants()) this.#checkSilence(participant, now)
    if (now - this.#peerProgressAt >= FALLBACK_DELAY_MS) this.#fallback?.start()
    if (now - this.#progressAt >= STALLED_MS) this.#fail(new DownloadStalledError(this.digest))
    else this.#plan()
  }

  #checkSilence(participant: Participant, now: number): void {
    if (participant.outstanding === 0) return
    const asked = Math.max(participant.anyAskedAt, ...participant.asked.values())
    if (now - Math.max(asked, participant.lastArrivalAt) < SILENCE_MS) return
    if (participant.anyOutstanding > 0) {
      const bytes = participant.anyOutstanding * (this.#blob?.map.chunkSize ?? 0)
      this.#tolerated.set(participant, (this.#tolerated.get(participant) ?? 0) + bytes)
      participant.link.send({ type: 'cancel', channel: this.#init.channel(participant.link), indexes: [] })
      participant.anyOutstanding = 0
    }
    this.#takeBack(participant, [...participant.asked.keys()].slice(0, MAX_INDEXES))
    participant.exhaustedUntil = now + SILENCE_MS
  }

  #finishIfWhole(): void {
    if (this.#over || this.#blob?.complete !== true) return
    this.#end()
    for (const participant of this.#participants()) this.#takeBack(participant, [...participant.asked.keys()])
    this.#done.resolve()
  }

  #fail(error: Error): void {
    if (this.#over) return
    this.#end()
    this.#blob?.fail(error)
    this.#opened.reject(error)
    this.#done.reject(error)
  }

  #end(): void {
    this.#over = true
    this.#stopTick()
    this.#search.stop()
    this.#controller.abort(new Error('the download is over'))
  }
}
