import type { KeyObject } from 'node:crypto'
import { Bitfield, type BlobSource, chunkCount, untilAborted } from '@shoal/content'
import type { Digest } from '@shoal/oci'
import type { ChunkHeader, PeerAddress } from '../exchange/frame.ts'
import type { PieceSink } from '../exchange/frame-parser.ts'
import type { Lane } from '../exchange/lane.ts'
import type { ExchangeFrame, Link } from '../exchange/link.ts'
import type { Certificate } from '../membership/certificate.ts'
import type { LinkState } from '../peers/link-state.ts'
import { type BlobFrame, PeerLinks, type PeerLinksInit } from '../peers/peer-links.ts'
import type { ZoneTotals } from '../peers/zone-bytes.ts'
import type { RateLimiter } from '../rate-limiter.ts'
import { BlobLoads } from './blob-loads.ts'
import { BlobSwarm } from './blob-swarm.ts'
import { Doubts } from './doubts.ts'
import { Download } from './download.ts'
import type { DownloadProgress } from './download-init.ts'
import type { ExchangeLoad } from './exchange-load.ts'
import type { ExchangeStore } from './exchange-store.ts'
import type { Fallback } from './fallback.ts'
import { hold } from './holding.ts'
import { OpenFiles } from './open-files.ts'
import { Prefetch } from './prefetch.ts'
import { SwarmList } from './swarm-list.ts'
import { vouchedMap } from './vouched-map.ts'

/** A blob that nobody here is interested in any more is let go of at the next sweep. */
const SWEEP_MS = 15_000
/** Payload bytes that all downloads of a process may have asked for and not written. */
export const MAX_PENDING_BYTES = 128 * 1024 * 1024

/** Payload bytes that have come and are not written, above which the direct lanes are not read. */
export const MAX_STORING_BYTES = 16 * 1024 * 1024

/** A peer that this node is linked with. */
export interface LinkedPeer {
  readonly peerId: string
  readonly role: Certificate['role']
  readonly zone: string
  /** Where it can be dialled, as a multiaddr; undefined as long as it has not said so. */
  readonly address: string | undefined
  readonly bytesReceived: number
  readonly bytesSent: number
}

/** What an exchange needs of its node. */
export interface ExchangeInit extends PeerLinksInit {
  readonly store: ExchangeStore
  readonly authorityKey: KeyObject
  readonly fallback: Fallback | undefined
  readonly random: () => number
  readonly downloadLimiter: RateLimiter
  /** How often a seed sends a chunk at most, as long as those who got it are here; undefined for as often as asked. */
  readonly seedCopies: number | undefined
  /** How long after a chunk was sent it is not sent to others that ask for it by number, ms; 0 for an agent. */
  readonly repeatAfterMs: number
  /** Looks for peers that have a blob, by every way there is; resolves when all have been tried. */
  readonly discover: (digest: Digest, signal: AbortSignal) => Promise<void>
  readonly addressesOf: (peerId: string) => readonly string[]
  readonly learned: (peers: readonly PeerAddress[]) => void
}

/**
 * Trades blobs with peers: owns the links, the swarm of every blob that anyone here is interested in, and the
 * downloads. One download per digest, however many ask.
 */
export class Exchange {
  readonly #init: ExchangeInit
  readonly #links: PeerLinks
  readonly #swarms = new SwarmList()
  readonly #loads: BlobLoads
  readonly #downloads = new Map<Digest, Download>()
  /** Downloads that have ended and whose blobs are being taken into service, or given up. */
  readonly #settling = new Map<Digest, Promise<void>>()
  readonly #prefetch = new Prefetch((digest) => this.#fetchInBackground(digest))
  readonly #doubts = new Doubts()
  readonly #files: OpenFiles
  #storingBytes = 0
  #stopSweep: () => void = () => undefined

  constructor(init: ExchangeInit) {
    this.#init = init
    this.#files = new OpenFiles(
      (digest) => init.store.open(digest),
      (error, digest) => init.logger.error({ error, digest }, 'cannot close the file of a blob')
    )
    this.#loads = new BlobLoads((error, digest) => init.logger.error({ error, digest }, 'cannot look for a blob'))
    this.#links = new PeerLinks(init, {
      onReady: (state) => this.#onReady(state),
      onFrame: (state, frame) => this.#onFrame(state, frame),
      onPiece: (state, header, length) => this.#onPiece(state, header, length),
      onLaneLost: ({ link }) => this.#everySwarm((swarm) => swarm.onLaneLost(link)),
      onClosed: ({ link }) => this.#everySwarm((swarm) => swarm.onLinkClosed(link)),
      isAwaited: ({ link }) => this.#swarms.values().some((swarm) => swarm.awaits(link)),
      onSilent: ({ link }) => this.#everySwarm((swarm) => swarm.onSilent(link))
    })
  }

  get peers(): LinkedPeer[] {
    return this.#links.ready.flatMap(({ link, certificate, bytesReceived, bytesSent }) => {
      if (certificate === undefined) return []
      const { role, zone } = certificate
      const [address] = this.#init.addressesOf(link.peerId)
      return [{ peerId: link.peerId, role, zone, address, bytesReceived, bytesSent }]
    })
  }

  get load(): ExchangeLoad {
    return {
      ...this.#links.load,
      pendingBytes: this.#pendingBytes(),
      storingBytes: this.#storingBytes,
      waitingPrefetches: this.#prefetch.waiting,
      swarms: this.#swarms.size,
      openFiles: this.#files.size,
      deferredFrames: this.#loads.deferred
    }
  }

  get zoneTotals(): ZoneTotals {
    return this.#links.zoneBytes.totals
  }

  get transfers(): DownloadProgress[] {
    return [...this.#downloads.values()].map((download) => download.progress)
  }

  start(): void {
    this.#links.start()
    this.#stopSweep = this.#init.clock.every(SWEEP_MS, () => this.#sweep())
  }

  async stop(): Promise<void> {
    this.#stopSweep()
    this.#prefetch.stop()
    const stopped = new Error('this node is stopping')
    await Promise.allSettled([...this.#downloads.values()].map((download) => download.stop(stopped)))
    this.#links.stop()
    await Promise.allSettled([this.#loads.over(), ...this.#settling.values()])
    for (const { holding } of this.#swarms.values()) await holding?.close()
    this.#swarms.clear()
    await this.#files.close()
  }

  /** Whether there is a link with a peer, or one is being made. */
  hasLink(peerId: string): boolean {
    return this.#links.has(peerId)
  }

  /** Whether a peer has shown its certificate on a link that is there. */
  isLinked(peerId: string): boolean {
    return this.#links.get(peerId) !== undefined
  }

  /** Where a linked peer is, by its certificate; undefined when it is not linked. */
  zoneOf(peerId: string): string | undefined {
    return this.#links.get(peerId)?.certificate?.zone
  }

  /** See {@link PeerLinks.accept}. */
  accept(lane: Lane, peerId: string, dialled: boolean): boolean {
    return this.#links.accept(lane, peerId, dialled)
  }

  /** Ends the link with a peer, if there is one. */
  unlink(peerId: string): void {
    this.#links.unlink(peerId)
  }

  /**
   * Brings a blob here, or joins the download that already does.
   *
   * @returns the blob as soon as its size is known, to be read while it comes in; the caller closes it
   * @throws BlobNotFoundError when nobody has it, or the signal's reason: the download goes on for the others
   */
  async fetch(digest: Digest, options?: { signal?: AbortSignal }): Promise<BlobSource> {
    this.#prefetch.remove(digest)
    await this.#settling.get(digest)?.catch(() => undefined)
    const download = this.#downloads.get(digest) ?? this.#startDownload(digest)
    download.background = false
    return (await untilAborted(download.opened, options?.signal)).source()
  }

  /**
   * Brings a blob here that is likely to be asked for soon, with what the downloads that somebody waits for leave over.
   * Does nothing when it is here already.
   */
  prefetch(digest: Digest): void {
    if (!this.#downloads.has(digest)) this.#prefetch.add(digest)
  }

  async #fetchInBackground(digest: Digest): Promise<void> {
    await this.#settling.get(digest)?.catch(() => undefined)
    if (this.#downloads.has(digest) || (await this.#init.store.stat(digest)) !== undefined) return
    if (this.#downloads.has(digest)) return
    const download = this.#startDownload(digest)
    download.background = true
    await download.done
  }

  /** Resolves when the download of a blob that is under way has ended well; at once when there is none. */
  async completion(digest: Digest): Promise<void> {
    await this.#downloads.get(digest)?.done
  }

  /** The blob is not here any more: peers are told not to count on us. */
  withdraw(digest: Digest): void {
    const swarm = this.#swarms.get(digest)
    if (swarm === undefined || this.#downloads.has(digest)) return
    this.#background(this.#drop(swarm), digest)
  }

  #startDownload(digest: Digest): Download {
    const swarm = this.#swarm(digest)
    const controller = new AbortController()
    const download = new Download({
      ...this.#init,
      swarm,
      channel: (link) => this.#channel(link, digest),
      links: () => this.#links.size,
      discovery: this.#init.discover(digest, controller.signal),
      roomBytes: () => MAX_PENDING_BYTES - this.#pendingBytes(),
      isForegroundHungry: () => [...this.#downloads.values()].some(({ background, hungry }) => !background && hungry),
      storing: (bytes) => this.#onStoring(bytes),
      forgive: ({ peerId }, bytes) => this.#links.get(peerId)?.forgive(bytes),
      stray: ({ peerId }, bytes) => this.#links.get(peerId)?.stray(bytes),
      pace: this.#init.downloadLimiter,
      doubts: this.#doubts,
      isRegistryLinked: () => this.#links.ready.some(({ certificate }) => certificate?.role === 'registry'),
      ban: (peerId, reason) => this.#links.ban(peerId, reason)
    })
    this.#downloads.set(digest, download)
    swarm.listener = download
    for (const { link } of this.#links.ready) swarm.introduce(link)
    // Peers that introduced themselves before we wanted the blob.
    for (const participant of swarm.participants.values()) download.onParticipant(participant)
    const over = () => {
      controller.abort(new Error('the download is over'))
      this.#downloads.delete(digest)
      const settled = this.#settle(swarm).finally(() => this.#settling.delete(digest))
      this.#settling.set(digest, settled)
      this.#background(settled, digest)
    }
    download.done.then(over, over)
    this.#background(this.#openFromStore(digest, download), digest)
    return download
  }

  /** What an earlier run left on disk needs no chunk map from outside. */
  async #openFromStore(digest: Digest, download: Download): Promise<void> {
    const signed = vouchedMap(await this.#init.store.chunkMap(digest), this.#init.authorityKey)
    if (signed !== undefined) download.openWith(signed)
  }

  /** After a download: serve the blob as a whole one, or leave its swarm. */
  async #settle(swarm: BlobSwarm): Promise<void> {
    swarm.listener = undefined
    const partial = this.#init.store.findPartial(swarm.digest)
    const whole = await this.#load(swarm)
    await partial?.release()
    if (!whole) await this.#drop(swarm)
  }

  /** Takes a blob that is whole in the store into service and tells the swarm. Its file is opened when a peer asks for a chunk. */
  async #load(swarm: BlobSwarm): Promise<boolean> {
    const { digest } = swarm
    const { store, authorityKey } = this.#init
    const [held, stored] = await Promise.all([store.stat(digest), store.chunkMap(digest)])
    const signed = vouchedMap(stored, authorityKey)
    // The blob may have been taken out of the store, and so its swarm out of here, meanwhile.
    if (held === undefined || signed === undefined || this.#swarms.get(digest) !== swarm) return false
    const source = {
      read: (target: Uint8Array, position: number) => this.#files.read(digest, target, position),
      close: async () => this.#files.forget(digest)
    }
    await swarm.hold(hold(source, signed.map, signed.segments, Bitfield.full(chunkCount(signed.map))))?.close()
    return true
  }

  async #drop(swarm: BlobSwarm): Promise<void> {
    if (!this.#swarms.remove(swarm)) return
    swarm.leave()
    for (const state of this.#links.ready) state.forget(swarm.digest)
    await swarm.holding?.close()
  }

  #everySwarm(tell: (swarm: BlobSwarm) => void): void {
    for (const swarm of this.#swarms.values()) tell(swarm)
  }

  #sweep(): void {
    this.#files.sweep()
    for (const swarm of this.#swarms.values()) {
      const { digest } = swarm
      if (!swarm.idle || this.#loads.has(digest) || this.#downloads.has(digest)) continue
      this.#background(this.#drop(swarm), digest)
    }
  }

  /** What nobody waits for must not end the process when it fails. */
  #background(task: Promise<unknown>, digest: Digest): void {
    task.catch((error: unknown) => this.#init.logger.error({ error, digest }, 'work on a blob failed'))
  }

  /** Chunks that have come and are not written yet hold back the lanes, so that a slow disk does not fill the memory. */
  #onStoring(bytes: number): void {
    this.#storingBytes += bytes
    if (this.#storingBytes > MAX_STORING_BYTES) this.#init.lanes?.pause(true)
    else if (this.#storingBytes < MAX_STORING_BYTES / 2) this.#init.lanes?.pause(false)
  }

  #pendingBytes(): number {
    return [...this.#downloads.values()].reduce((bytes, { pendingBytes }) => bytes + pendingBytes, 0)
  }

  #swarm(digest: Digest): BlobSwarm {
    const known = this.#swarms.get(digest)
    if (known !== undefined) return known
    const swarm = new BlobSwarm({
      digest,
      clock: this.#init.clock,
      seedCopies: this.#init.seedCopies,
      repeatAfterMs: this.#init.repeatAfterMs,
      place: (link) => this.#links.placeOf(link.peerId),
      channel: (link) => this.#channel(link, digest),
      upload: (link, job) => this.#links.get(link.peerId)?.uploads.add(job) ?? false,
      dropUploads: (link) => this.#links.get(link.peerId)?.uploads.drop(this.#channel(link, digest)),
      cancelUpload: (link, channel, indexes) => this.#links.get(link.peerId)?.uploads.cancel(channel, indexes),
      mayAnswer: (link, bytes) => this.#links.get(link.peerId)?.answers.spend(bytes) === true,
      addressesOf: this.#init.addressesOf,
      learned: (link, peers) => {
        if (this.#links.get(link.peerId)?.hearsay.spend(peers.length) === true) this.#init.learned(peers)
      }
    })
    this.#swarms.add(swarm)
    const isBusy = ({ digest: other, listener }: BlobSwarm) =>
      listener !== undefined || other === digest || this.#loads.has(other) || this.#settling.has(other)
    const surplus = this.#swarms.surplus((other) => !isBusy(other))
    if (surplus !== undefined) this.#background(this.#drop(surplus), surplus.digest)
    return swarm
  }

  #channel(link: Link, digest: Digest): number {
    return this.#links.get(link.peerId)?.channel(digest) ?? 0
  }

  #onReady({ link }: LinkState): void {
    for (const digest of this.#downloads.keys()) this.#swarm(digest).introduce(link)
  }

  #onFrame(state: LinkState, frame: BlobFrame): void {
    if (frame.type === 'bitfield') {
      if (!frame.absent) state.theirs(frame.channel, frame.digest)
      this.#onBitfield(state, frame)
      return
    }
    const digest = state.digestOf(frame.channel)
    if (frame.type === 'leave') state.forgetTheirs(frame.channel)
    const { link } = state
    // Behind the bitfield that waits for the same.
    if (this.#loads.defer(digest, link, () => this.#swarms.get(digest)?.onFrame(link, frame))) return
    const swarm = this.#swarms.get(digest)
    if (swarm !== undefined && (frame.type === 'ask' || frame.type === 'askAny')) this.#swarms.add(swarm)
    swarm?.onFrame(link, frame)
  }

  #onBitfield(state: LinkState, said: Extract<ExchangeFrame, { type: 'bitfield' }>): void {
    const { link } = state
    const { digest } = said
    const isHeard = state.wants(digest, said.want && !said.absent)
    const frame = isHeard ? said : { ...said, want: false }
    if (!isHeard) link.send({ type: 'bitfield', channel: 0, digest, want: false, absent: true })
    const known = this.#swarms.get(digest)
    if (known !== undefined && !this.#loads.has(digest)) {
      known.onBitfield(link, frame)
      return
    }
    if (known === undefined && (frame.absent || !frame.want)) return
    const swarm = this.#swarm(digest)
    // A peer speaks of a blob that nobody here is interested in: do we have it?
    this.#loads.begin(digest, () => this.#load(swarm))
    this.#loads.defer(digest, link, () => {
      swarm.onBitfield(link, frame)
      // A blob that is neither here nor wanted is not remembered: whoever asks for it has been answered.
      if (swarm.holding === undefined && swarm.listener === undefined) this.#background(this.#drop(swarm), digest)
    })
  }

  #onPiece(state: LinkState, header: ChunkHeader, length: number): PieceSink | undefined {
    const swarm = state.hasLeft(header.channel) ? undefined : this.#swarms.get(state.digestOf(header.channel))
    if (swarm?.listener !== undefined) return swarm.onPiece(state.link, header, length)
    state.stray(length)
    return undefined
  }
}
