import type { ChunkMismatchError, PartialBlob, SignedChunkMap } from '@shoal/content'
import type { Digest } from '@shoal/oci'
import type { ChunkHeader, ControlFrame } from '../exchange/frame.ts'
import type { PieceSink } from '../exchange/frame-parser.ts'
import { WireError } from '../wire.ts'
import { planAsks } from './ask-planner.ts'
import type { SwarmListener } from './blob-swarm-init.ts'
import { ChunkLanding } from './chunk-landing.ts'
import { ChunkRequests } from './chunk-requests.ts'
import { Deadlines } from './deadlines.ts'
import { DownloadStalledError, STALLED_MS, UNPROVEN_STALLED_MS, UnprovenSizeError } from './download-errors.ts'
import type { DownloadInit, DownloadProgress } from './download-init.ts'
import {
  FALLBACK_DELAY_MS,
  FallbackReader,
  LINKED_FALLBACK_DELAY_MS,
  LONE_FALLBACK_DELAY_MS
} from './fallback-reader.ts'
import { hold } from './holding.ts'
import { MapSearch } from './map-search.ts'
import type { Participant } from './participant.ts'
import { ProgressTimes } from './progress-times.ts'
import { isTurnOf } from './zones.ts'

const TICK_MS = 100

/**
 * Brings one blob here: finds its chunk map, asks peers for chunks, checks what comes, and asks elsewhere for what is
 * wrong, late or lost. What to ask of whom is {@link planAsks}; this class carries it out.
 */
export class Download implements SwarmListener {
  /** Resolves with the blob as soon as its size is known; rejects when nobody has it. */
  readonly opened: Promise<PartialBlob>
  /** Resolves when the blob is whole and durable. */
  readonly done: Promise<void>
  /** Nobody waits for the blob: it only takes what other downloads leave over. */
  background = false
  readonly #init: DownloadInit
  #hungry = true
  readonly #opened = Promise.withResolvers<PartialBlob>()
  readonly #done = Promise.withResolvers<void>()
  readonly #controller = new AbortController()
  readonly #search: MapSearch
  #blob: PartialBlob | undefined
  /** Whether the registry vouches for the chunk map; a blob of one chunk needs no signature. */
  #isSigned = false
  /** Whose word the size of an unsigned blob is. */
  #claimant: Participant | undefined
  #requests: ChunkRequests | undefined
  #fallback: FallbackReader | undefined
  readonly #deadlines = new Deadlines()
  #landing: ChunkLanding | undefined
  #planning = false
  #opening = false
  #over = false
  readonly #progressed: ProgressTimes
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
    this.#progressed = new ProgressTimes(init.clock.now())
    this.#search = new MapSearch({
      digest: init.swarm.digest,
      authorityKey: init.authorityKey,
      fallback: init.fallback,
      clock: init.clock,
      signal: this.#controller.signal,
      discovery: init.discovery,
      channel: ({ link }) => init.channel(link),
      unanswered: () => init.links() - init.swarm.participants.size,
      isRegistryLinked: () => init.isRegistryLinked(),
      isDoubted: ({ peerId }) => init.doubts.has(init.swarm.digest, peerId, init.clock.now()),
      found: (signed, claimant) => {
        this.#claimant = claimant
        void this.#open(signed)
      },
      failed: (error) => this.#fail(error),
      lied: (participant) => {
        participant.distrusted = true
        if (participant.role === 'agent') this.#init.ban(participant.peerId, 'chunk-map')
      }
    })
    this.#stopTick = init.clock.every(TICK_MS, () => this.#tick())
  }

  get digest(): Digest {
    return this.#init.swarm.digest
  }

  /** Bytes that have been asked for and are not on disk. */
  get pendingBytes(): number {
    if (this.#blob === undefined) return 0
    let chunks = this.#landing?.chunks ?? 0
    for (const participant of this.#participants()) chunks += participant.outstanding
    return chunks * this.#blob.map.chunkSize
  }

  /** Whether there are chunks that could be asked for and are not. */
  get hungry(): boolean {
    return !this.#over && this.#hungry
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
    await Promise.allSettled([this.done, this.#landing?.settled()])
  }

  #participants(): Iterable<Participant> {
    return this.#init.swarm.participants.values()
  }

  #arrived({ near, role }: Participant, bytes: number): void {
    const isHome = near || role === 'registry'
    this.#progressed.arrived(this.#init.clock.now(), bytes, isHome, this.#blob?.map.size ?? 0)
  }

  async #open(signed: SignedChunkMap): Promise<void> {
    if (this.#opening) return
    this.#opening = true
    const { store, swarm, fallback, clock, logger, channel, pace } = this.#init
    try {
      const blob = await store.partial(signed)
      if (this.#over) {
        await blob.release()
        return
      }
      this.#blob = blob
      this.#isSigned = signed.segments.length > 0
      this.#requests = new ChunkRequests({
        blob,
        buffers: store.buffers,
        clock,
        channel,
        refresh: ({ link }) => swarm.introduce(link),
        stray: (link, bytes) => this.#init.stray(link, bytes),
        spend: (bytes) => pace.spend(bytes)
      })
      this.#landing = new ChunkLanding({
        blob,
        requests: this.#requests,
        storing: this.#init.storing,
        arrived: (participant, bytes) => this.#arrived(participant, bytes),
        stored: ({ role }, index, bytes) => this.#stored(role === 'registry' ? 'registry' : 'peer', index, bytes),
        wasted: (bytes) => this.#init.metrics.wasted(bytes),
        wrong: (participant, error) => this.#onWrongChunk(participant, error),
        broken: (error) => this.#fail(error instanceof Error ? error : new Error(String(error))),
        settled: () => {
          this.#plan()
          this.#finishIfWhole()
        }
      })
      await swarm.hold(hold(blob.source(), blob.map, signed.segments, blob.have))?.close()
      if (fallback !== undefined) {
        this.#fallback = new FallbackReader({
          fallback,
          blob,
          clock,
          logger,
          signal: this.#controller.signal,
          spend: (bytes) => pace.spend(bytes),
          stored: (index, bytes) => {
            this.#stored('registry', index, bytes)
            this.#requests?.landed(index)
            this.#plan()
            this.#finishIfWhole()
          },
          rejected: () => {
            this.#init.metrics.rejected('digest')
            if (!this.#isSigned) this.#failUnproven()
          },
          broken: (error) => this.#fail(error)
        })
      }
      this.#opened.resolve(blob)
      this.#progressed.start(clock.now())
      this.#plan()
      this.#finishIfWhole()
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  onParticipant(participant: Participant): void {
    if (this.#blob === undefined) this.#search.onParticipant(participant)
    else if (participant.role === 'registry' && this.#contradicts(participant)) this.#failUnproven()
    this.#plan()
  }

  #contradicts({ shape }: Participant): boolean {
    return !this.#isSigned && shape !== undefined && shape.size !== this.#blob?.map.size
  }

  /** The size that this download began with, a peer's word, is most likely a lie: the next try asks the others. */
  #failUnproven(): void {
    const { doubts, swarm, clock } = this.#init
    if (this.#claimant !== undefined) doubts.add(swarm.digest, this.#claimant.peerId, clock.now())
    this.#fail(new UnprovenSizeError(this.digest))
  }

  /** Most of what neighbours tell is on its way already, or comes from one that has enough to send: that changes no plan. */
  onHave({ outstanding, pace }: Participant, indexes: readonly number[]): void {
    const blob = this.#blob
    const flights = this.#requests?.flights
    if (blob === undefined || outstanding >= pace.queueLength(blob.map.chunkSize)) return
    if (indexes.some((index) => !blob.have.has(index) && flights?.has(index) === false)) this.#plan()
  }

  onGone(participant: Participant): void {
    this.#search.onGone(participant)
    this.#forgive(participant)
    this.#requests?.forget(participant)
    this.#plan()
  }

  onSilent(participant: Participant): void {
    this.#requests?.shun(participant)
    this.#plan()
  }

  onLaneLost(participant: Participant): void {
    this.#requests?.takeAllBack(participant)
    this.#plan()
  }

  onMap(participant: Participant, frame: Extract<ControlFrame, { type: 'map' }>): void {
    this.#search.onMap(participant, frame)
  }

  onReject(participant: Participant, frame: Extract<ControlFrame, { type: 'reject' }>): void {
    this.#requests?.rejected(participant, frame)
    if (frame.reason === 'lacking') this.#init.swarm.lacks(participant, frame.indexes)
    this.#plan()
  }

  onPiece(participant: Participant, header: ChunkHeader, length: number): PieceSink | undefined {
    if (this.#landing === undefined) throw new WireError(`chunk ${header.index} came without being asked for`)
    return this.#landing.onPiece(participant, header, length)
  }

  #stored(from: 'registry' | 'peer', index: number, bytes: number): void {
    this.#init.transfer.received(from, bytes)
    if (from === 'registry') this.#fromRegistry += bytes
    else this.#fromPeers += bytes
    this.#progressed.at = this.#init.clock.now()
    this.#init.swarm.announce(index)
  }

  #onWrongChunk(participant: Participant, error: ChunkMismatchError): void {
    const { index } = error
    this.#init.logger.warn({ peer: participant.peerId, digest: this.digest, index }, 'a peer sent a wrong chunk')
    this.#init.metrics.rejected('digest')
    participant.distrusted = true
    // The registry is not banned: without it there is no admission. Its other blobs may be fine.
    if (participant.role === 'agent') this.#init.ban(participant.peerId, 'wrong-chunk')
    // Without a signature the size was only a peer's word, most likely this one's: the next try asks the others.
    if (!this.#isSigned) this.#fail(error)
  }

  #plan(): void {
    if (this.#planning || this.#over) return
    this.#planning = true
    queueMicrotask(() => {
      this.#planning = false
      const blob = this.#blob
      const requests = this.#requests
      if (this.#over || blob === undefined || requests === undefined || blob.have.complete) return
      this.#ask(blob, requests)
    })
  }

  #ask(blob: PartialBlob, requests: ChunkRequests): void {
    const { clock, random, swarm, roomBytes, pace, peerId } = this.#init
    if (pace.delayMs() > 0 || this.#heldBack) return
    const now = clock.now()
    const peers = [...this.#participants()].filter((peer) => !peer.isShunned(now))
    const chunks = (bytes: number) => Math.floor(bytes / blob.map.chunkSize)
    const asks = planAsks({
      have: blob.have,
      chunkSize: blob.map.chunkSize,
      peers,
      flights: requests.flights,
      urgent: this.#deadlines.urgent(blob.awaited(), blob.have.firstMissing() ?? 0, blob.have.length, now),
      availability: (index) => swarm.availability(index),
      room: Math.min(chunks(roomBytes()), Math.max(1, chunks(pace.available))),
      progressAt: this.#progressed.fromPeersAt,
      homeProgressAt: this.#progressed.fromHomeAt,
      startedAt: this.#progressed.startedAt,
      owns: (index) => isTurnOf(peerId, this.digest, index, peers),
      now,
      random
    })
    requests.send(asks)
    const outstanding = peers.reduce((sum, peer) => sum + peer.anyOutstanding, requests.flights.size)
    this.#hungry = blob.have.length - blob.have.count > outstanding
  }

  /** Whether this download has to wait for those that somebody waits for. */
  get #heldBack(): boolean {
    return this.background && this.#init.isForegroundHungry()
  }

  #tick(): void {
    const blob = this.#blob
    if (this.#over || blob === undefined) return
    const now = this.#init.clock.now()
    if (this.#heldBack || this.#init.pace.delayMs() > 0) {
      this.#progressed.excuse(now)
      return
    }
    // A link to the registry is enough: its answer may be on its way.
    const held = [...this.#participants()].some(({ have }) => have !== undefined && have.count > 0)
    const delay = this.#init.isRegistryLinked()
      ? LINKED_FALLBACK_DELAY_MS
      : held
        ? FALLBACK_DELAY_MS
        : LONE_FALLBACK_DELAY_MS
    if (now - this.#progressed.fromPeersAt >= delay) this.#fallback?.start()
    if (!this.#isSigned && now - this.#progressed.at >= UNPROVEN_STALLED_MS) this.#failUnproven()
    else if (now - this.#progressed.at >= STALLED_MS) this.#fail(new DownloadStalledError(this.digest))
    else this.#plan()
  }

  #finishIfWhole(): void {
    if (this.#over || this.#blob?.complete !== true) return
    this.#end()
    this.#done.resolve()
  }

  #fail(error: Error): void {
    if (this.#over) return
    this.#end()
    this.#blob?.fail(error)
    this.#opened.reject(error)
    this.#done.reject(error)
  }

  /** What a peer was asked for may still come when this download does not listen any more. */
  #forgive(participant: Participant): void {
    this.#init.forgive(participant.link, this.#requests?.owed(participant) ?? 0)
  }

  #end(): void {
    this.#over = true
    for (const participant of this.#participants()) {
      this.#forgive(participant)
      this.#requests?.takeAllBack(participant)
    }
    this.#stopTick()
    this.#search.stop()
    this.#requests?.close()
    this.#controller.abort(new Error('the download is over'))
  }
}
