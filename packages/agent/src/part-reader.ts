import type { BlobSource } from '@shoal/content'
import type { Digest, RegistryClient } from '@shoal/oci'
import type { AgentSwarm, Logger, TransferMetrics } from '@shoal/swarm'
import type { Part } from './fill-client.ts'
import type { PlacedPart } from './part-queue.ts'

/** A part of which nothing comes from the mesh for so long is read from the registry over HTTP. */
export const PART_PATIENCE_MS = 20_000
const READ_BYTES = 256 * 1024

/** What reading parts needs. */
export interface PartReaderInit {
  readonly swarm: Pick<AgentSwarm, 'downloadLimiter' | 'fetch'>
  readonly client: Pick<RegistryClient, 'getBlob'>
  readonly transfer: Pick<TransferMetrics, 'received'>
  readonly logger: Logger
  /** At the registry, and of the whole blob. */
  readonly repository: string
  readonly digest: Digest
  readonly signal: AbortSignal
}

/** Reads parts of one blob: from the mesh, and what does not come from there over HTTP. */
export class PartReader {
  readonly #init: PartReaderInit
  readonly #begun = new Map<Digest, Promise<BlobSource>>()

  constructor(init: PartReaderInit) {
    this.#init = init
  }

  /** Begin to fetch a part, unless that was done. */
  begin({ digest }: Part): void {
    if (this.#begun.has(digest)) return
    const { signal, swarm } = this.#init
    const source = swarm.fetch(digest, { signal: AbortSignal.any([signal, AbortSignal.timeout(PART_PATIENCE_MS)]) })
    source.catch(() => undefined)
    this.#begun.set(digest, source)
  }

  /** @param start the first byte of the blob that is wanted; it is in the part */
  async *read(part: PlacedPart, start: number): AsyncGenerator<Uint8Array, void, void> {
    this.begin(part)
    let at = start
    try {
      for await (const bytes of this.#fromMesh(part, start - part.at)) {
        at += bytes.length
        yield bytes
      }
    } catch (error) {
      this.#init.signal.throwIfAborted()
      this.#init.logger.debug({ error, part: part.digest }, 'a part does not come from the mesh')
      yield* this.rest(at, part.at + part.size)
    }
  }

  /** Bytes of the blob, as the registry serves it. */
  async *rest(start: number, end: number): AsyncGenerator<Uint8Array, void, void> {
    const { client, digest, repository, signal, swarm, transfer } = this.#init
    const blob = await client.getBlob(repository, digest, { range: { start, end }, signal })
    if (blob === undefined) throw new Error(`the registry does not have ${digest} any more`)
    for await (const bytes of blob.body) {
      await swarm.downloadLimiter.take(bytes.length, { signal })
      transfer.received('registry', bytes.length)
      yield bytes
    }
  }

  /** Let go of parts that were begun and not read. */
  close(): void {
    for (const begun of this.#begun.values()) {
      begun.then(async (source) => await source.close()).catch(() => undefined)
    }
    this.#begun.clear()
  }

  async *#fromMesh(part: Part, start: number): AsyncGenerator<Uint8Array, void, void> {
    const source = await this.#begun.get(part.digest)
    if (source === undefined) return
    this.#begun.delete(part.digest)
    try {
      if (source.size !== part.size) throw new Error(`a part has ${source.size} bytes, not ${part.size}`)
      for (let at = start; at < part.size; ) {
        const patience = AbortSignal.timeout(PART_PATIENCE_MS)
        await source.available(at, { signal: AbortSignal.any([this.#init.signal, patience]) })
        // A buffer of its own each time: who takes it may keep it while the next one is filled.
        const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, part.size - at))
        const read = await source.read(buffer, at)
        at += read
        yield buffer.subarray(0, read)
      }
    } finally {
      await source.close()
    }
  }
}
