import type { KeyObject } from 'node:crypto'
import type { ChunkMismatchError, ContentStore, PartialBlob, SignedChunkMap } from '@shoal/content'
import type { Digest } from '@shoal/oci'
import type { Clock } from '../clock.ts'
import type { ChunkHeader, ControlFrame } from '../exchange/frame.ts'
import type { PieceSink } from '../exchange/frame-parser.ts'
import type { Link } from '../exchange/link.ts'
import type { Logger } from '../logger.ts'
import type { SwarmMetrics } from '../swarm-metrics.ts'
import type { TransferMetrics } from '../transfer-metrics.ts'
import { WireError } from '../wire.ts'
import { planAsks } from './ask-planner.ts'
import type { BlobSwarm, SwarmListener } from './blob-swarm.ts'
import { ChunkLanding } from './chunk-landing.ts'
import { ChunkRequests } from './chunk-requests.ts'
import { Deadlines } from './deadlines.ts'
import type { Fallback } from './fallback.ts'
import { FALLBACK_DELAY_MS, FallbackReader, LINKED_FALLBACK_DELAY_MS } from './fallback-reader.ts'
import { hold } from './holding.ts'
import { MapSearch } from './map-search.ts'
import type { Participant } from './participant.ts'

const TICK_MS = 100
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
  /** Whether a download that somebody waits for still has something to ask for. */
  readonly isForegroundHungry: () => boolean
  /** So many bytes have come and are to be written; negative: are written, or thrown away. */
  readonly storing: (bytes: number) => void
  /** A peer may still send so many bytes that nobody wants any more. */
  readonly forgive: (link: Link, bytes: number) => void
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
  #requests: ChunkRequests | undefined
  #fallback: FallbackReader | undefined
  readonly #deadlines = new Deadlines()
  #landing: ChunkLanding | undefined
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
    this.#peerProgressAt = init.clock.now()
    this.#progressAt = this.#peerProgressAt
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

  async #open(signed: SignedChunkMap): Promise<void> {
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
        spend: (bytes) => pace.spend(bytes)
      })
      this.#landing = new ChunkLanding({
        blob,
        requests: this.#requests,
        storing: this.#init.storing,
        arrived: () => {
          this.#peerProgressAt = clock.now()
          this.#progressAt = this.#peerProgressAt
        },
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
    this.#progressAt = this.#init.clock.now()
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
    const { clock, random, swarm, roomBytes, pace } = this.#init
    if (pace.delayMs() > 0 || this.#heldBack) return
    const now = clock.now()
    const peers = [...this.#participants()].filter((peer) => !peer.isShunned(now))
    const waiting = requests.flights.size > 0 || peers.some((peer) => peer.outstanding > 0)
    this.#idleSince = waiting ? undefined : (this.#idleSince ?? now)
    const asks = planAsks({
      have: blob.have,
      chunkSize: blob.map.chunkSize,
      peers,
      flights: requests.flights,
      urgent: this.#deadlines.urgent(blob.awaited(), blob.have.firstMissing() ?? 0, blob.have.length, now),
      availability: (index) => swarm.availability(index),
      room: Math.floor(roomBytes() / blob.map.chunkSize),
      idleSince: this.#idleSince,
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
    if (this.#heldBack) {
      this.#progressAt = now
      this.#peerProgressAt = now
      return
    }
    const linked = [...this.#participants()].some((peer) => peer.role === 'registry' && peer.isSeed && !peer.distrusted)
    const delay = linked ? LINKED_FALLBACK_DELAY_MS : FALLBACK_DELAY_MS
    if (now - this.#peerProgressAt >= delay && this.#init.pace.delayMs() === 0) this.#fallback?.start()
    if (now - this.#progressAt >= STALLED_MS) this.#fail(new DownloadStalledError(this.digest))
    else this.#plan()
  }

  #finishIfWhole(): void {
    if (this.#over || this.#blob?.complete !== true) return
    this.#end()
    for (const participant of this.#participants()) this.#requests?.takeAllBack(participant)
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
    for (const participant of this.#participants()) this.#forgive(participant)
    this.#stopTick()
    this.#search.stop()
    this.#requests?.close()
    this.#controller.abort(new Error('the download is over'))
  }
}
