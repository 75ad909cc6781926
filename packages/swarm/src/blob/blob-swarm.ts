import { Bitfield, chunkCount, chunkLength } from '@shoal/content'
import type { Digest } from '@shoal/oci'
import type { ChunkHeader } from '../exchange/frame.ts'
import { MAX_INDEXES, MAX_PEERS } from '../exchange/frame.ts'
import type { PieceSink } from '../exchange/frame-parser.ts'
import type { Link } from '../exchange/link.ts'
import type { BlobFrame } from '../peers/peer-links.ts'
import { WireError } from '../wire.ts'
import { Availability } from './availability.ts'
import type { BlobSwarmInit, FrameOf, SwarmListener } from './blob-swarm-init.ts'
import { readBits } from './held-bits.ts'
import type { Holding } from './holding.ts'
import { News } from './news.ts'
import { Participant } from './participant.ts'
import { RepeatGate } from './repeat-gate.ts'
import { SeedChooser } from './seed-chooser.ts'

/** Peers that one blob's swarm remembers; a further one is told that we have nothing. */
export const MAX_PARTICIPANTS = 4_096
const PEERS_TOLD = 16
/** What an answer costs beside the bits in it. */
const ANSWER_BYTES = 128

/**
 * All peers interested in one blob, as this node sees them: who holds what, who is told what, and what is served.
 * A {@link SwarmListener} is attached while the blob is downloaded here.
 */
export class BlobSwarm {
  readonly digest: Digest
  readonly participants = new Map<string, Participant>()
  listener: SwarmListener | undefined
  readonly #init: BlobSwarmInit
  #holding: Holding | undefined
  #chooser: SeedChooser | undefined
  /** How many of the agents here hold each chunk; the registry does not count, it is to be spared. */
  #availability = new Availability(0)
  /** Peers that have been told what we hold, and are told of every chunk more. */
  readonly #introduced = new Set<string>()
  /** Links over which the blob was given our number, which is theirs to keep until we leave. */
  readonly #numbered = new Set<Link>()
  readonly #news: News

  constructor(init: BlobSwarmInit) {
    this.digest = init.digest
    this.#init = init
    this.#news = new News(init.clock, (indexes) => this.#tell(indexes))
  }

  get holding(): Holding | undefined {
    return this.#holding
  }

  /** How many agents here hold chunk `index`. */
  availability(index: number): number {
    return this.#availability.of(index)
  }

  /** Nobody here needs us and we need nobody. */
  get idle(): boolean {
    if (this.listener !== undefined) return false
    if (this.#holding === undefined) return true
    return [...this.participants.values()].every((peer) => peer.absent || peer.isSeed || !peer.wants)
  }

  /** Sets what is held here, and tells it to all who know us. @returns what was held before, to be closed */
  hold(holding: Holding): Holding | undefined {
    const before = this.#holding
    const chunks = chunkCount(holding.map)
    const { seedCopies, clock, repeatAfterMs } = this.#init
    this.#chooser ??= new SeedChooser(chunks, { maxCopies: seedCopies, repeats: new RepeatGate(clock, repeatAfterMs) })
    this.#holding = holding
    this.#availability = new Availability(chunks)
    for (const participant of this.participants.values()) {
      const { have } = participant
      participant.have = undefined
      this.#setHave(participant, have)
    }
    // Also those that have not answered: all they know is that nothing was known here, and news does not change that.
    for (const link of this.#numbered) if (this.#introduced.has(link.peerId)) this.introduce(link)
    return before
  }

  /** Tells a peer what we hold and whether we want more. */
  introduce(link: Link): void {
    const holding = this.#holding
    this.#introduced.add(link.peerId)
    this.#numbered.add(link)
    link.send({
      type: 'bitfield',
      channel: this.#init.channel(link),
      digest: this.digest,
      want: this.listener !== undefined,
      absent: false,
      ...(holding === undefined
        ? {}
        : { state: { size: holding.map.size, chunkSize: holding.map.chunkSize, bits: holding.have.bytes } })
    })
  }

  /** Tells all who lack it that we hold chunk `index`, soon: chunks that come together travel in one message. */
  announce(index: number): void {
    this.#news.add(index, this.availability(index) === 0)
  }

  #tell(news: readonly number[]): void {
    for (const { link, absent, have } of this.participants.values()) {
      if (absent || !this.#introduced.has(link.peerId)) continue
      // How rare a chunk is does not matter to a peer that has it.
      const indexes = have === undefined ? news : news.filter((index) => !have.has(index))
      for (let at = 0; at < indexes.length; at += MAX_INDEXES) {
        link.send({ type: 'have', channel: this.#init.channel(link), indexes: indexes.slice(at, at + MAX_INDEXES) })
      }
    }
  }

  /** Leaves: no peer counts on us for this blob any more. */
  leave(): void {
    for (const link of this.#numbered) link.send({ type: 'leave', channel: this.#init.channel(link) })
    this.#numbered.clear()
    this.#introduced.clear()
    this.participants.clear()
  }

  /** A peer introduced itself. The caller answers when we have nothing to tell. */
  onBitfield(link: Link, frame: FrameOf<'bitfield'>): void {
    const known = this.participants.get(link.peerId)
    if (known === undefined && this.participants.size >= MAX_PARTICIPANTS) {
      this.#sayAbsent(link)
      return
    }
    const participant = known ?? new Participant(link, this.#init.place(link), frame.channel)
    this.participants.set(link.peerId, participant)
    participant.channel = frame.channel
    participant.wants = frame.want
    participant.absent = frame.absent
    // Not its bits: they are as many as the peer likes to say.
    participant.shape = frame.state && { size: frame.state.size, chunkSize: frame.state.chunkSize }
    this.#setHave(participant, frame.state === undefined ? undefined : readBits(frame.state))
    if (frame.absent) this.#introduced.delete(link.peerId)
    else if (frame.want) this.#answer(link)
    this.listener?.onParticipant(participant)
  }

  #answer(link: Link): void {
    if (this.#introduced.has(link.peerId)) return
    if (this.#holding === undefined && this.listener === undefined) {
      this.#sayAbsent(link)
      return
    }
    // Who leaves and comes again without end is not answered without end.
    if (!this.#init.mayAnswer(link, ANSWER_BYTES + (this.#holding?.have.bytes.length ?? 0))) return
    this.introduce(link)
    const others = [...this.participants.values()].filter((peer) => peer.link !== link && !peer.absent)
    const peers = others
      .slice(-PEERS_TOLD)
      .map(({ peerId }) => ({ peerId, addresses: this.#init.addressesOf(peerId) }))
      .filter(({ addresses }) => addresses.length > 0)
      .slice(0, MAX_PEERS)
    const bytes = peers.reduce((sum, { peerId, addresses }) => sum + [peerId, ...addresses].join().length, 0)
    if (bytes > 0 && this.#init.mayAnswer(link, bytes))
      link.send({ type: 'peers', channel: this.#init.channel(link), peers })
  }

  #sayAbsent(link: Link): void {
    link.send({ type: 'bitfield', channel: 0, digest: this.digest, want: false, absent: true })
  }

  #setHave(participant: Participant, have: Bitfield | undefined): void {
    const counted = this.#holding !== undefined && participant.role === 'agent'
    if (counted && participant.have !== undefined) this.#availability.shift(participant.have, -1)
    participant.have = have
    const map = this.#holding?.map
    const { shape } = participant
    if (map !== undefined && shape !== undefined && (shape.size !== map.size || shape.chunkSize !== map.chunkSize)) {
      // Its idea of the blob differs: it has nothing that we can use. Where no signature says who is right, it may be it.
      participant.have = undefined
      participant.distrusted = this.#holding !== undefined && this.#holding.segments.length > 0
    }
    if (counted && participant.have !== undefined) this.#availability.shift(participant.have, 1)
  }

  /** Any frame about this blob but a bitfield, from a peer that has introduced itself. */
  onFrame(link: Link, frame: Exclude<BlobFrame, { type: 'bitfield' }>): void {
    const participant = this.participants.get(link.peerId)
    if (participant === undefined) return
    switch (frame.type) {
      case 'leave':
        this.#init.dropUploads(link)
        this.#onLeft(link)
        break
      case 'have':
        this.#onHave(participant, frame.indexes)
        break
      case 'askMap':
        this.#onAskMap(participant)
        break
      case 'map':
        this.listener?.onMap(participant, frame)
        break
      case 'askAny':
        this.#onAskAny(participant, frame)
        break
      case 'ask':
        this.#onAsk(participant, frame.indexes)
        break
      case 'cancel':
        this.#init.cancelUpload(link, this.#init.channel(link), frame.indexes)
        break
      case 'reject':
        this.listener?.onReject(participant, frame)
        break
      case 'peers':
        this.#onPeers(participant, frame)
        break
    }
  }

  onPiece(link: Link, header: ChunkHeader, length: number): PieceSink | undefined {
    const participant = this.participants.get(link.peerId)
    return participant && this.listener?.onPiece(participant, header, length)
  }

  /** A peer said that it had these chunks, and now that it does not. */
  lacks(participant: Participant, indexes: readonly number[]): void {
    const { have } = participant
    for (const index of indexes) {
      if (have === undefined || index >= have.length || !have.clear(index)) continue
      if (participant.role === 'agent') this.#availability.lose(index)
    }
  }

  /** Whether a peer was asked for chunks that have not come. */
  awaits(link: Link): boolean {
    const participant = this.participants.get(link.peerId)
    return this.listener !== undefined && participant?.link === link && participant.outstanding > 0
  }

  /** A peer does not answer: what it was asked for is asked elsewhere, and nothing more of it until it speaks. */
  onSilent(link: Link): void {
    const participant = this.participants.get(link.peerId)
    if (participant?.link === link) this.listener?.onSilent(participant)
  }

  /** What was on its way over a lane of this link is lost; the link itself is not. */
  onLaneLost(link: Link): void {
    const participant = this.participants.get(link.peerId)
    if (participant?.link === link) this.listener?.onLaneLost(participant)
  }

  onLinkClosed(link: Link): void {
    this.#numbered.delete(link)
    this.#onLeft(link)
  }

  #onLeft(link: Link): void {
    const participant = this.participants.get(link.peerId)
    if (participant === undefined || participant.link !== link) return
    this.#setHave(participant, undefined)
    this.participants.delete(link.peerId)
    this.#introduced.delete(link.peerId)
    this.#chooser?.departed(link.peerId)
    this.listener?.onGone(participant)
  }

  #onHave(participant: Participant, indexes: readonly number[]): void {
    const { have } = participant
    if (have === undefined) return
    const news: number[] = []
    for (const index of indexes) {
      if (index >= have.length) throw new WireError(`have of chunk ${index}, the blob has ${have.length}`)
      if (!have.set(index)) continue
      news.push(index)
      if (this.#holding !== undefined && participant.role === 'agent') this.#availability.gain(index)
    }
    if (news.length > 0) this.listener?.onHave(participant, news)
  }

  /** Hearsay is only listened to while it may help, and once from each peer. */
  #onPeers(participant: Participant, frame: FrameOf<'peers'>): void {
    if (this.listener === undefined || participant.toldPeers) return
    participant.toldPeers = true
    this.#init.learned(participant.link, frame.peers.slice(0, PEERS_TOLD))
  }

  #onAskMap({ link }: Participant): void {
    const segments = this.#holding?.segments ?? []
    // An honest peer asks once for each blob.
    if (
      !this.#init.mayAnswer(
        link,
        segments.reduce((bytes, { length }) => bytes + length, 0)
      )
    )
      return
    const channel = this.#init.channel(link)
    segments.forEach((segment, number) => {
      link.send({ type: 'map', channel, number, total: segments.length, segment })
    })
    if (segments.length === 0) link.send({ type: 'reject', channel, reason: 'lacking', any: 0, indexes: [] })
  }

  #onAsk(participant: Participant, indexes: readonly number[]): void {
    const refused = indexes.filter((index) => !this.#queue(participant, index))
    if (refused.length === 0) return
    const { link } = participant
    const reason = this.#holding === undefined ? 'lacking' : 'busy'
    link.send({ type: 'reject', channel: this.#init.channel(link), reason, any: 0, indexes: refused })
  }

  /** @returns whether the chunk will be sent */
  #queue(participant: Participant, index: number): boolean {
    const { link, peerId } = participant
    const holding = this.#holding
    if (holding !== undefined && index >= holding.have.length) {
      throw new WireError(`ask for chunk ${index}, the blob has ${holding.have.length}`)
    }
    return (
      holding !== undefined &&
      this.#init.upload(link, {
        channel: this.#init.channel(link),
        index,
        rarity: () => this.availability(index),
        share: () => (participant.have?.count ?? 0) / Math.max(1, holding.have.length),
        choose: () => {
          if (!holding.have.has(index)) return { reason: 'lacking' }
          if (this.#chooser?.give(peerId, index, participant.zone) === false) return { reason: 'exhausted' }
          return { index }
        },
        length: (chosen) => chunkLength(holding.map, chosen),
        read: (chosen, offset, target) => this.#read(chosen, offset, target),
        finished: (chosen, complete) => this.#onSent(peerId, chosen, complete)
      })
    )
  }

  #onAskAny(participant: Participant, frame: FrameOf<'askAny'>): void {
    const { link, peerId } = participant
    const holding = this.#holding
    const channel = this.#init.channel(link)
    const except = new Set(frame.except)
    let refused = frame.count
    for (let i = 0; i < frame.count && holding?.have.complete === true; i++, refused--) {
      const queued = this.#init.upload(link, {
        channel,
        index: undefined,
        rarity: () => 0,
        share: () => 0,
        choose: () => {
          const have = participant.have ?? new Bitfield(holding.have.length)
          const ask = { peer: peerId, zone: participant.zone, have, except, again: frame.again }
          const index = this.#chooser?.choose(ask, (chunk) => this.availability(chunk))
          return index === undefined ? { reason: 'exhausted' } : { index }
        },
        length: (chosen) => chunkLength(holding.map, chosen),
        read: (chosen, offset, target) => this.#read(chosen, offset, target),
        finished: (chosen, complete) => this.#onSent(peerId, chosen, complete)
      })
      if (!queued) break
    }
    if (refused === 0) return
    const reason = holding?.have.complete === true ? 'busy' : 'lacking'
    link.send({ type: 'reject', channel, reason, any: refused, indexes: [] })
  }

  /** Reads from what is held now: a download that has ended meanwhile has become a whole blob. */
  #read(index: number, offset: number, target: Uint8Array): Promise<void> {
    return (
      this.#holding?.read(index, offset, target) ?? Promise.reject(new Error(`${this.digest} is not held any more`))
    )
  }

  /** A peer that has a chunk by now holds a copy, wherever the rest of it came from. */
  #onSent(peerId: string, index: number, complete: boolean): void {
    const isHeld = this.participants.get(peerId)?.have?.has(index) === true
    if (!complete && !isHeld) this.#chooser?.failed(peerId, index)
  }
}
