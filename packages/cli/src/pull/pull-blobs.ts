import type { Descriptor } from '@shoal/oci'
import { CommandError } from '../errors.ts'
import type { BlobSink } from './blob-sink.ts'
import type { Image, ImageSource } from './image.ts'

/** Blobs pulled at the same time, as container runtimes do. */
export const PULL_CONCURRENCY = 3

/** Told of what happens to each blob. */
export interface PullListener {
  started(blob: Descriptor): void
  advanced(blob: Descriptor, bytes: number): void
  /** @param existed it was in the sink already */
  finished(blob: Descriptor, existed: boolean): void
  failed(blob: Descriptor): void
}

export interface PullOptions {
  readonly ns?: string
  readonly signal?: AbortSignal
}

/**
 * Pulls the blobs of an image into a sink, {@link PULL_CONCURRENCY} at a time, leaving out those that it has. The first failure stops
 * the others.
 *
 * @throws CommandError when the source has not got a blob, or sent something else
 */
export async function pullBlobs(
  source: ImageSource,
  repository: string,
  image: Image,
  sink: BlobSink,
  listener: PullListener,
  options: PullOptions
): Promise<void> {
  const failure = new AbortController()
  const signal = options.signal === undefined ? failure.signal : AbortSignal.any([options.signal, failure.signal])
  const waiting = image.blobs.values()
  const work = async (): Promise<void> => {
    // The iterator is shared, so each blob goes to one worker.
    for (const blob of waiting) {
      signal.throwIfAborted()
      try {
        await pullBlob(blob)
      } catch (error) {
        listener.failed(blob)
        failure.abort(error)
        throw error
      }
    }
  }
  const pullBlob = async (blob: Descriptor): Promise<void> => {
    listener.started(blob)
    const existed = await sink.has(blob, { signal })
    if (!existed) {
      const answer = await source.getBlob(repository, blob.digest, { ...options, signal })
      if (answer === undefined)
        throw new CommandError(`the blob ${blob.digest} is nowhere to be found; push the image again`)
      await sink.write(blob, answer.body, (bytes) => listener.advanced(blob, bytes))
    }
    listener.finished(blob, existed)
  }
  const results = await Promise.allSettled(Array.from({ length: PULL_CONCURRENCY }, work))
  options.signal?.throwIfAborted()
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failure.signal.reason ?? failed.reason
}
