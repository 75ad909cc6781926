import { createReadStream } from 'node:fs'
import { open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ContentStore } from '@shoal/content'
import { type Digest, digestAlgorithm } from '@shoal/oci'
import { restoreMetadata } from '@shoal/registry'
import { loadIdentity } from '@shoal/swarm'
import { Registry } from 'prom-client'
import { DATA_DIRECTORY_MODE, IDENTITY_FILE } from '../commands/data-folders.ts'
import { openStore } from '../compose/parts.ts'
import { CommandError, describeError, errorCode } from '../errors.ts'
import { makeDirectory, syncDirectory, writeFileAtomically } from '../files.ts'
import type { ProgressBoard } from '../progress/board.ts'
import { verified } from '../pull/verified-stream.ts'
import { PRIVATE_FILE_MODE } from './backup-layout.ts'
import { readBackup } from './backup-source.ts'
import { assertRestored, RESTORING_FILE } from './restoring.ts'
import { blobsOf, recordsOf } from './snapshot-file.ts'

/** Names that an empty data folder may hold: a file system of its own has the first one. */
const NOTHING: readonly string[] = ['lost+found']

/** What was restored. */
export interface RestoreResult {
  readonly blobs: number
  readonly bytes: number
  /** Whether the registry has the identity that its nodes know. */
  readonly hasIdentity: boolean
}

/** What a restore is made with. */
export interface RestoreInit {
  /** A backup: a folder or an archive. */
  readonly from: string
  /** The data folder to fill; made when it is missing, and empty when it is there. */
  readonly data: string
  readonly board: ProgressBoard
}

/**
 * Makes a registry's data folder of a backup. Every byte is checked by its digest; the metadata comes last.
 *
 * @throws CommandError naming what is wrong with the backup or the folder, which is left empty then
 */
export async function runRestore(init: RestoreInit, signal: AbortSignal): Promise<RestoreResult> {
  const { data } = init
  await makeDirectory(data, '--data', DATA_DIRECTORY_MODE)
  const marker = join(data, RESTORING_FILE)
  await assertEmpty(data)
  try {
    const result = await fill(init, marker, signal)
    await rm(marker)
    await syncDirectory(data)
    return result
  } catch (error) {
    for (const name of await readdir(data)) {
      if (!NOTHING.includes(name)) await rm(join(data, name), { recursive: true, force: true })
    }
    signal.throwIfAborted()
    if (errorCode(error) !== 'STORE_FULL' && errorCode(error) !== 'ENOSPC') throw error
    throw new CommandError(`there is no space left in ${data}; give a larger one with --data`, { cause: error })
  }
}

async function fill({ board, data, from }: RestoreInit, marker: string, signal: AbortSignal): Promise<RestoreResult> {
  let named: ReadonlyMap<Digest, number> | undefined
  let store: ContentStore | undefined
  let hasIdentity = false
  const item = board.add('blobs')
  try {
    for await (const entry of readBackup(from, () => named?.keys() ?? [])) {
      signal.throwIfAborted()
      if (entry.kind === 'snapshot') {
        await save(entry.body, marker)
        named = await blobsOf(createReadStream(marker))
        item.update({ totalBytes: [...named.values()].reduce((sum, size) => sum + size, 0) })
        continue
      }
      if (entry.kind === 'secret') {
        await writeFileAtomically(join(data, entry.name), entry.content, PRIVATE_FILE_MODE)
        hasIdentity ||= entry.name === IDENTITY_FILE
        continue
      }
      if (!named?.has(entry.digest)) continue
      store ??= await openRestored(data)
      const { body, digest, size } = entry
      await take(store, digest, size, body, (bytes) => item.advance(bytes), signal)
    }
    if (named === undefined) throw new CommandError(`${from} is no backup: it has no snapshot; give another one`)
    store ??= await openRestored(data)
    for (const digest of named.keys()) {
      if ((await store.stat(digest)) !== undefined) continue
      throw new CommandError(`the backup lacks ${digest}; restore another one`)
    }
    await restoreMetadata(data, recordsOf(createReadStream(marker)))
    item.finish('done')
    const bytes = store.usage.bytes
    return { blobs: named.size, bytes, hasIdentity }
  } catch (error) {
    item.finish('failed')
    throw error
  } finally {
    await store?.close()
  }
}

/** Opened once the identity is there, which signs chunk maps. */
async function openRestored(directory: string): Promise<ContentStore> {
  const signer = await loadIdentity(join(directory, IDENTITY_FILE))
  return await openStore({ directory, metrics: new Registry(), signer })
}

async function take(
  store: ContentStore,
  digest: Digest,
  size: number,
  body: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
  signal: AbortSignal
): Promise<void> {
  async function* counted(): AsyncGenerator<Uint8Array, void, void> {
    for await (const bytes of verified({ digest, size }, body)) {
      signal.throwIfAborted()
      onBytes(bytes.length)
      yield bytes
    }
  }
  const ingest = await store.ingest({ size, algorithm: digestAlgorithm(digest) })
  try {
    await ingest.append(counted())
    await ingest.finish(digest)
  } catch (error) {
    await ingest.abort()
    if (error instanceof CommandError) throw new CommandError(`the backup is damaged: ${describeError(error)}`)
    throw error
  }
}

async function save(body: AsyncIterable<Uint8Array>, path: string): Promise<void> {
  const file = await open(path, 'wx', PRIVATE_FILE_MODE)
  try {
    for await (const bytes of body) await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function assertEmpty(data: string): Promise<void> {
  const found = (await readdir(data)).filter((name) => !NOTHING.includes(name))
  if (found.includes(RESTORING_FILE)) await assertRestored(data)
  if (found.length > 0) {
    throw new CommandError(`${data} is not empty (${found[0]}); give an empty or new folder with --data`)
  }
}
