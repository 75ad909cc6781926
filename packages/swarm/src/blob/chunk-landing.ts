import { type ChunkBuffer, ChunkMismatchError, type PartialBlob } from '@shoal/content'
import type { ChunkHeader } from '../exchange/frame.ts'
import type { PieceSink } from '../exchange/frame-parser.ts'
import type { ChunkRequests } from './chunk-requests.ts'
import type { Participant } from './participant.ts'

/** What a landing needs. */
export interface ChunkLandingInit {
  readonly blob: PartialBlob
  readonly requests: ChunkRequests
  /** So many bytes have come and are to be written; negative: are written, or thrown away. */
  readonly storing: (bytes: number) => void
  /** A piece of so many bytes has come. */
  readonly arrived: (participant: Participant, bytes: number) => void
  /** A chunk was right and is on disk. */
  readonly stored: (participant: Participant, index: number, bytes: number) => void
  /** A chunk was here already. */
  readonly wasted: (bytes: number) => void
  /** A chunk was wrong. */
  readonly wrong: (participant: Participant, error: ChunkMismatchError) => void
  /** The blob cannot be kept here: the disk is full, or the store is closed. */
  readonly broken: (error: unknown) => void
  /** A chunk has been dealt with, whatever came of it. */
  readonly settled: () => void
}

/** The way of a chunk from a peer's pieces to the disk. */
export class ChunkLanding {
  readonly #init: ChunkLandingInit
  readonly #storing = new Set<Promise<void>>()

  constructor(init: ChunkLandingInit) {
    this.#init = init
  }

  /** Chunks that have come and are not on disk yet. */
  get chunks(): number {
    return this.#storing.size
  }

  /** See `FrameHandler.onPiece`. @throws WireError when the piece was not asked for or does not fit */
  onPiece(participant: Participant, { index, offset }: ChunkHeader, length: number): PieceSink | undefined {
    const place = this.#init.requests.begin(participant, index, offset, length)
    if (place === undefined) return undefined
    return {
      target: place.target,
      filled: () => {
        this.#init.arrived(participant, length)
        this.#onFilled(participant, index, place.filled())
      },
      abandoned: () => place.abandoned()
    }
  }

  /** Resolves when all that has come is dealt with. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#storing])
  }

  #onFilled(participant: Participant, index: number, chunk: ChunkBuffer | undefined): void {
    const { requests, storing } = this.#init
    requests.arrived(participant, index, chunk)
    if (chunk === undefined) return
    const { length } = chunk.bytes
    storing(length)
    const work = this.#store(participant, index, chunk).finally(() => {
      chunk.release()
      this.#storing.delete(work)
      storing(-length)
    })
    this.#storing.add(work)
  }

  async #store(participant: Participant, index: number, chunk: ChunkBuffer): Promise<void> {
    const { blob, requests, stored, wasted, wrong, broken, settled } = this.#init
    const { length } = chunk.bytes
    try {
      const result = await blob.put(index, chunk)
      if (result === 'stored') stored(participant, index, length)
      else wasted(length)
      requests.landed(index, participant)
    } catch (error) {
      requests.flights.remove(index, participant)
      if (error instanceof ChunkMismatchError) wrong(participant, error)
      else broken(error)
    }
    settled()
  }
}
