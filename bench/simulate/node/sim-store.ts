import {
  Bitfield,
  type BlobInfo,
  type BlobSource,
  chunkCount,
  type PartialBlob,
  type SignedChunkMap
} from '@shoal/content'
import type { Digest } from '@shoal/oci'
import type { ExchangeStore } from '@shoal/swarm/parts'
import type { Simulation } from '../engine/simulation.ts'
import { LinkQueue } from '../network/link-queue.ts'
import type { ChunkMemory } from './chunk-memory.ts'
import { SimBlob } from './sim-blob.ts'

/** What a store needs. */
export interface SimStoreInit {
  readonly simulation: Simulation
  readonly buffers: ChunkMemory
  /** How fast chunks are hashed and written, one after the other, Mbit/s. */
  readonly diskMbit: number
  /** A chunk was right and is kept. */
  readonly stored: (digest: Digest, index: number) => void
}

/** A store that remembers which chunks it has, and none of their bytes. */
export class SimStore implements ExchangeStore {
  readonly buffers: ChunkMemory
  readonly #init: SimStoreInit
  readonly #disk: LinkQueue
  readonly #blobs = new Map<Digest, SimBlob>()

  constructor(init: SimStoreInit) {
    this.#init = init
    this.buffers = init.buffers
    this.#disk = new LinkQueue(init.simulation, init.diskMbit)
  }

  /** Has a blob whole, as after a push. */
  add(signed: SignedChunkMap): void {
    this.#blobs.set(signed.map.digest, this.#make(signed, Bitfield.full(chunkCount(signed.map))))
  }

  /** The blob, whole or in part. */
  blob(digest: Digest): SimBlob | undefined {
    return this.#blobs.get(digest)
  }

  partial(signed: SignedChunkMap): Promise<PartialBlob> {
    const blob = this.#blobs.get(signed.map.digest) ?? this.#make(signed, new Bitfield(chunkCount(signed.map)))
    this.#blobs.set(signed.map.digest, blob)
    return Promise.resolve(blob)
  }

  findPartial(digest: Digest): PartialBlob | undefined {
    return this.#blobs.get(digest)
  }

  chunkMap(digest: Digest): Promise<SignedChunkMap | undefined> {
    return Promise.resolve(this.#blobs.get(digest)?.signed)
  }

  stat(digest: Digest): Promise<BlobInfo | undefined> {
    const blob = this.#blobs.get(digest)
    return Promise.resolve(blob?.complete === true ? { digest, size: blob.map.size } : undefined)
  }

  open(digest: Digest): Promise<BlobSource | undefined> {
    const blob = this.#blobs.get(digest)
    return Promise.resolve(blob?.complete === true ? blob.source() : undefined)
  }

  #make(signed: SignedChunkMap, have: Bitfield): SimBlob {
    const { simulation, stored } = this.#init
    const written = (bytes: number) => simulation.pause(this.#disk.pass(bytes) - simulation.now())
    return new SimBlob({ signed, have, written, stored })
  }
}
