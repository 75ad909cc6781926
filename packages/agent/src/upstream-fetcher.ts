import { ArrivingBlob, type BlobSource, type ContentStore } from '@shoal/content'
import type { Digest, RegistryClient } from '@shoal/oci'
import type { AgentSwarm, Clock, Logger, RegistryBreaker, TransferMetrics } from '@shoal/swarm'
import type { BlobName } from './blob-names.ts'
import type { FillAnswer, FillClient } from './fill-client.ts'
import { isBefore, PartQueue, type PlacedPart } from './part-queue.ts'
import { PartReader } from './part-reader.ts'

/** What was fetched in parts is kept in parts for so long, for the others who do. */
export const PARTS_KEPT_MS = 30_000

/** What fetching from upstreams needs. */
export interface UpstreamFetcherInit {
  readonly store: Pick<ContentStore, 'delete' | 'ingest' | 'open'>
  readonly swarm: Pick<AgentSwarm, 'downloadLimiter' | 'fetch'>
  readonly client: Pick<RegistryClient, 'getBlob' | 'headManifest'>
  readonly fills: Pick<FillClient, 'ask'>
  readonly breaker: Pick<RegistryBreaker, 'down'>
  readonly upstreams: { includes(repository: string): boolean }
  readonly transfer: Pick<TransferMetrics, 'received'>
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Brings blobs here that the registry is only just fetching from an upstream. While they arrive there, their parts are
 * traded in the mesh like any other blobs; here they are put together again and proved by the digest of the whole.
 */
export class UpstreamFetcher {
  readonly #init: UpstreamFetcherInit
  readonly #flights = new Map<Digest, Promise<ArrivingBlob | undefined>>()
  readonly #controller = new AbortController()

  constructor(init: UpstreamFetcherInit) {
    this.#init = init
  }

  /**
   * See to it that the registry has, or fetches, what is an upstream's.
   *
   * @returns the blob, if it is arriving there; undefined when it is to be looked for in the mesh as usual
   */
  async open(digest: Digest, { kind, repository }: BlobName, signal: AbortSignal): Promise<BlobSource | undefined> {
    const { breaker, client, logger, upstreams } = this.#init
    if (!upstreams.includes(repository) || breaker.down) return undefined
    try {
      if (kind === 'manifest') {
        await client.headManifest(repository, digest, { signal })
        return undefined
      }
      return (await this.#join(digest, repository))?.source()
    } catch (error) {
      signal.throwIfAborted()
      // A peer may have it all the same.
      logger.debug({ error, digest, repository }, 'the registry does not fetch a blob')
      return undefined
    }
  }

  /** The registry is to begin with what will be asked for soon. */
  expect(digest: Digest, repository: string): void {
    const { breaker, fills, logger } = this.#init
    if (breaker.down) return
    fills
      .ask(digest, repository, { signal: this.#controller.signal })
      .catch((error: unknown) => logger.debug({ error, digest }, 'the registry does not fetch a blob ahead'))
  }

  /** Ends what is under way. */
  stop(): void {
    this.#controller.abort(new Error('this node is stopping'))
  }

  async #join(digest: Digest, repository: string): Promise<ArrivingBlob | undefined> {
    const under = this.#flights.get(digest)
    if (under !== undefined) return await under
    const flight = this.#begin(digest, repository)
    this.#flights.set(digest, flight)
    const forget = (): void => {
      if (this.#flights.get(digest) === flight) this.#flights.delete(digest)
    }
    flight.then((blob) => {
      if (blob === undefined) forget()
    }, forget)
    return await flight
  }

  async #begin(digest: Digest, repository: string): Promise<ArrivingBlob | undefined> {
    const { fills, logger, store } = this.#init
    const answer = await fills.ask(digest, repository, { signal: this.#controller.signal })
    if (answer?.sharing === undefined) return undefined
    const blob = await ArrivingBlob.begin({ store, digest, size: answer.size })
    const over = this.#flights
    this.#follow(blob, repository, answer)
      .catch(async (error: unknown) => {
        logger.warn({ error, digest }, 'a blob of an upstream did not arrive')
        await blob.fail(error instanceof Error ? error : new Error(String(error)))
      })
      .finally(() => over.delete(digest))
      .catch((error: unknown) => logger.error({ error, digest }, 'a blob could not be given up'))
    return blob
  }

  /** Takes the bytes as they come, alone or in parts, and lets the mesh know of the whole. */
  async #follow(blob: ArrivingBlob, repository: string, answer: FillAnswer): Promise<void> {
    const { signal } = this.#controller
    const got: Digest[] = []
    const { clock, fills } = this.#init
    const { digest } = blob
    const { alone, sharing = '' } = answer
    const reader = new PartReader({ ...this.#init, repository, digest, signal })
    const ask = async (after: number) => await fills.ask(digest, repository, { signal, shared: { sharing, after } })
    const begin = (part: PlacedPart): void => {
      if (isBefore(part, blob.received)) return
      got.push(part.digest)
      reader.begin(part)
    }
    const queue = new PartQueue({ ask, sharing, alone, begin, clock, signal })
    try {
      if (alone) await blob.append(this.#alone(reader, queue, blob), { signal })
      if (blob.received < blob.size) {
        for await (const part of queue.parts()) {
          if (!isBefore(part, blob.received)) await blob.append(reader.read(part, blob.received), { signal })
        }
      }
      if (blob.received < blob.size) await blob.append(reader.rest(blob.received, blob.size), { signal })
      await blob.finish()
    } finally {
      queue.end()
      reader.close()
      this.#dropLater(got.filter((part) => part !== blob.digest))
    }
    // With the chunk map that the registry signs, the blob can be passed on.
    const source = await this.#init.swarm.fetch(blob.digest, { signal })
    await source.close()
  }

  /** Reads the blob from the registry as it arrives there, until others want it too. */
  async *#alone(reader: PartReader, queue: PartQueue, { digest, size }: ArrivingBlob): AsyncGenerator<Uint8Array> {
    let at = 0
    try {
      for await (const bytes of reader.rest(at, size)) {
        at += bytes.length
        yield bytes
        if (!queue.passes(at)) return
      }
    } catch (error) {
      this.#controller.signal.throwIfAborted()
      this.#init.logger.debug({ error, digest }, 'a blob of an upstream does not come any more')
    }
  }

  #dropLater(parts: readonly Digest[]): void {
    const { clock, logger, store } = this.#init
    clock.after(PARTS_KEPT_MS, () => {
      // What is left when the process ends is a part of the cache like any other.
      for (const part of parts) {
        store.delete(part).catch((error: unknown) => logger.debug({ error, part }, 'a part was not dropped'))
      }
    })
  }
}
