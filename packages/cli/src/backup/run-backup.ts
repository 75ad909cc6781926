import { createReadStream } from 'node:fs'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Digest } from '@shoal/oci'
import { CommandError, describeError, errorCode } from '../errors.ts'
import type { ProgressBoard } from '../progress/board.ts'
import { verified } from '../pull/verified-stream.ts'
import type { BackupClient } from './backup-client.ts'
import { SECRET_FILES } from './backup-layout.ts'
import type { BackupTarget } from './backup-target.ts'
import { blobsOf } from './snapshot-file.ts'

/** What is in the backup, and what had to be done. */
export interface BackupResult {
  readonly blobs: number
  readonly bytes: number
  /** Those of them that had to be fetched. */
  readonly fetchedBlobs: number
  readonly fetchedBytes: number
  /** Whether the registry's identity is in the backup. */
  readonly hasSecrets: boolean
}

/** What a backup is made with. */
export interface BackupInit {
  readonly client: BackupClient
  readonly target: BackupTarget
  /** The registry's data folder, for its secrets; they are left out where it cannot be read. */
  readonly data: string
  readonly board: ProgressBoard
}

/**
 * Writes a backup of a running registry: a snapshot of one instant, and all blobs that it names and the target lacks.
 *
 * @throws CommandError, or the signal's reason; the backup that was there before stays
 */
export async function runBackup(init: BackupInit, signal: AbortSignal): Promise<BackupResult> {
  const { client, target } = init
  const folder = await mkdtemp(join(tmpdir(), 'shoal-backup-'))
  try {
    await client.begin(signal)
    const snapshot = join(folder, 'snapshot')
    await save(await client.snapshot(signal), snapshot)
    // Read to its end before anything is done: one that is damaged must not replace a good one.
    const blobs = await blobsOf(createReadStream(snapshot))
    await target.putSnapshot(snapshot)
    const hasSecrets = await putSecrets(init)
    const fetched = await putBlobs(init, blobs, signal)
    signal.throwIfAborted()
    await target.commit(new Set(blobs.keys()))
    const bytes = sum(blobs.values())
    return { blobs: blobs.size, bytes, ...fetched, hasSecrets }
  } catch (error) {
    await target.abandon()
    signal.throwIfAborted()
    if (errorCode(error) !== 'ENOSPC') throw error
    throw new CommandError('there is no space left where the backup is written; the one before it is as it was', {
      cause: error
    })
  } finally {
    await client.end()
    await rm(folder, { recursive: true, force: true })
  }
}

async function save(bytes: AsyncIterable<Uint8Array>, path: string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    for await (const piece of bytes) await file.writeFile(piece)
  } finally {
    await file.close()
  }
}

async function putSecrets({ data, target, board }: BackupInit): Promise<boolean> {
  const found: [string, Uint8Array][] = []
  try {
    for (const name of SECRET_FILES) found.push([name, await readFile(join(data, name))])
  } catch (error) {
    board.print(
      `the registry's keys are not in this backup: ${describeError(error)}; nodes trust a restored registry only with its identity`
    )
    return false
  }
  for (const [name, content] of found) await target.putSecret(name, content)
  return true
}

async function putBlobs(
  { client, target, board }: BackupInit,
  blobs: ReadonlyMap<Digest, number>,
  signal: AbortSignal
): Promise<Pick<BackupResult, 'fetchedBlobs' | 'fetchedBytes'>> {
  const failure = new AbortController()
  const both = AbortSignal.any([signal, failure.signal])
  const item = board.add('blobs', sum(blobs.values()))
  let [fetchedBlobs, fetchedBytes] = [0, 0]
  const waiting = blobs.entries()
  const work = async (): Promise<void> => {
    // The iterator is shared, so each blob goes to one worker.
    for (const [digest, size] of waiting) {
      both.throwIfAborted()
      if (await target.has(digest, size)) {
        item.advance(size)
        continue
      }
      // First its chunk map: a blob that is there is not looked at again.
      const map = await client.chunkMap(digest, both)
      if (map !== undefined) await target.putChunkMap(digest, map)
      const answer = await client.blob(digest, both)
      await target.putBlob(digest, answer.size, counted(verified({ digest, size: answer.size }, answer.body)))
      fetchedBlobs++
    }
  }
  async function* counted(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    for await (const bytes of body) {
      both.throwIfAborted()
      item.advance(bytes.length)
      fetchedBytes += bytes.length
      yield bytes
    }
  }
  const guarded = async (): Promise<void> => {
    try {
      await work()
    } catch (error) {
      failure.abort(error)
      throw error
    }
  }
  const results = await Promise.allSettled(Array.from({ length: target.concurrency }, guarded))
  const failed = results.find((result) => result.status === 'rejected')
  item.finish(failed === undefined ? 'done' : 'failed')
  if (failed !== undefined) throw failure.signal.reason ?? failed.reason
  return { fetchedBlobs, fetchedBytes }
}

function sum(sizes: Iterable<number>): number {
  let total = 0
  for (const size of sizes) total += size
  return total
}
