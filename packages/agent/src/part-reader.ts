import type { BlobSource } from '@shoal/content'
import type { Digest, RegistryClient } from '@shoal/oci'
import type { AgentSwarm, Logger, TransferMetrics } from '@shoal/swarm'
import type { Part } from './fill-client.ts'

/** A part of which nothing comes from the mesh for so long is read from the registry over HTTP. */
export const PART_PATIENCE_MS = 20_000
const READ_BYTES = 256 * 1024

/** What reading parts needs. */
export interface PartReaderInit {
  readonly swarm: Pick<AgentSwarm, 'fetch'>
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

  /** @param at where in the blob it is */
  async *read(part: Part, at: number): AsyncGenerator<Uint8Array, void, void> {
    this.begin(part)
    let done = 0
    try {
      for await (const bytes of this.#fromMesh(part)) {
        done += bytes.length
        yield bytes
      }
    } catch (error) {
      this.#init.signal.throwIfAborted()
      this.#init.logger.debug({ error, part: part.digest }, 'a part does not come from the mesh')
      yield* this.rest(at + done, at + part.size)
    }
  }

  /** Bytes of the blob, as the registry serves it. */
  async *rest(start: number, end: number): AsyncGenerator<Uint8Array, void, void> {
    const { client, digest, repository, signal, transfer } = this.#init
    const blob = await client.getBlob(repository, digest, { range: { start, end }, signal })
    if (blob === undefined) throw new Error(`the registry does not have ${digest} any more`)
    for await (const bytes of blob.body) {
      transfer.received('registry', bytes.length)
      yield bytes
    }
  }

  async *#fromMesh(part: Part): AsyncGenerator<Uint8Array, void, void> {
    const source = await this.#begun.get(part.digest)
    if (source === undefined) return
    this.#begun.delete(part.digest)
    try {
      if (source.size !== part.size) throw new Error(`a part has ${source.size} bytes, not ${part.size}`)
      for (let at = 0; at < part.size; ) {
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
