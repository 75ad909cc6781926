import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { type Digest, isDigest } from '@shoal/oci'
import { extract } from 'tar-stream'
import { CommandError, describeError, errorCode } from '../errors.ts'
import { BLOBS_NAME, blobName, SECRET_FILES, SECRETS_NAME, SNAPSHOT_NAME } from './backup-layout.ts'

/** Longest secret, bytes. */
const SECRET_MAX_BYTES = 64 * 1024

/** One thing in a backup. Its bytes have to be read before the next one is asked for. */
export type BackupEntry =
  | { readonly kind: 'snapshot'; readonly body: AsyncIterable<Uint8Array> }
  | { readonly kind: 'secret'; readonly name: string; readonly content: Buffer }
  | { readonly kind: 'blob'; readonly digest: Digest; readonly size: number; readonly body: AsyncIterable<Uint8Array> }

/**
 * What is in a backup: its snapshot, its secrets, its blobs.
 *
 * @param path a folder or an archive that `shoal backup` wrote
 * @param named the blobs that the snapshot names, once it has been read
 * @throws CommandError when there is none, or a blob is missing
 */
export async function* readBackup(path: string, named: () => Iterable<Digest>): AsyncGenerator<BackupEntry> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new CommandError(`cannot read ${path}: ${describeError(cause)}; give a backup with --from`, { cause })
  })
  yield* found.isDirectory() ? readFolder(path, named) : readArchive(path)
}

async function* readFolder(folder: string, named: () => Iterable<Digest>): AsyncGenerator<BackupEntry> {
  const snapshot = join(folder, SNAPSHOT_NAME)
  if (!(await isThere(snapshot))) {
    throw new CommandError(`${folder} has no ${SNAPSHOT_NAME}: no backup into it came to its end; give another one`)
  }
  yield { kind: 'snapshot', body: createReadStream(snapshot) }
  for (const name of SECRET_FILES) {
    const file = join(folder, SECRETS_NAME, name)
    if (await isThere(file)) yield { kind: 'secret', name, content: await readFile(file) }
  }
  for (const digest of named()) {
    const file = join(folder, blobName(digest))
    const found = await stat(file).catch((cause: unknown) => {
      throw new CommandError(`the backup lacks ${digest}: ${describeError(cause)}; restore another one`, { cause })
    })
    yield { kind: 'blob', digest, size: found.size, body: createReadStream(file) }
  }
}

async function* readArchive(file: string): AsyncGenerator<BackupEntry> {
  const entries = extract()
  const input = createReadStream(file)
  input.on('error', (error) => entries.destroy(error))
  input.pipe(entries)
  try {
    for await (const entry of entries) {
      const { name, size = 0 } = entry.header
      yield* entryOf(name, size, bytesOf(entry, file))
      // What was not read is passed over.
      entry.resume()
    }
  } catch (cause) {
    throw cause instanceof CommandError ? cause : damaged(file, cause)
  } finally {
    input.destroy()
    entries.destroy()
  }
}

async function* entryOf(name: string, size: number, body: AsyncIterable<Uint8Array>): AsyncGenerator<BackupEntry> {
  if (name === SNAPSHOT_NAME) yield { kind: 'snapshot', body }
  const [folder, algorithm, , hex] = name.split(posix.sep)
  if (folder === SECRETS_NAME && SECRET_FILES.includes(posix.basename(name)) && size <= SECRET_MAX_BYTES) {
    yield { kind: 'secret', name: posix.basename(name), content: Buffer.concat(await Array.fromAsync(body)) }
  }
  const digest = `${algorithm}:${hex}`
  if (folder === BLOBS_NAME && isDigest(digest)) yield { kind: 'blob', digest, size, body }
}

/** An entry's bytes, of which its type says nothing. */
async function* bytesOf(entry: AsyncIterable<unknown>, file: string): AsyncGenerator<Uint8Array, void, void> {
  try {
    for await (const bytes of entry) if (bytes instanceof Uint8Array) yield bytes
  } catch (cause) {
    throw damaged(file, cause)
  }
}

function damaged(file: string, cause: unknown): CommandError {
  return new CommandError(`${file} is no backup, or damaged: ${describeError(cause)}; restore another one`, { cause })
}

async function isThere(file: string): Promise<boolean> {
  try {
    await stat(file)
    return true
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    return false
  }
}
