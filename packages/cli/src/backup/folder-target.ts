import { randomBytes } from 'node:crypto'
import { copyFile, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { type Digest, isDigest } from '@shoal/oci'
import { CommandError, describeError, errorCode } from '../errors.ts'
import { makeDirectories, syncDirectory, writeFileAtomically } from '../files.ts'
import {
  BLOBS_NAME,
  blobName,
  LOCK_NAME,
  MAPS_NAME,
  mapName,
  PRIVATE_FILE_MODE,
  PRIVATE_FOLDER_MODE,
  SECRETS_NAME,
  SNAPSHOT_NAME
} from './backup-layout.ts'
import type { BackupTarget } from './backup-target.ts'

const CONCURRENCY = 4
/** Files that are not whole yet. What an earlier run left of them is removed. */
const TEMPORARY_PREFIX = '.writing-'

/**
 * A folder with one backup: blobs that are there are not fetched again, and what no backup names any more is removed once
 * the next one is whole.
 */
export class FolderTarget implements BackupTarget {
  readonly concurrency = CONCURRENCY
  readonly #folder: string
  readonly #made = new Set<string>()
  #snapshot: string | undefined

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** @throws CommandError when it cannot be written, holds something else, or another backup is being written into it */
  static async open(folder: string): Promise<FolderTarget> {
    const target = new FolderTarget(folder)
    try {
      await makeDirectories(folder, PRIVATE_FOLDER_MODE)
      await target.#claim()
      await target.#lock()
    } catch (cause) {
      if (cause instanceof CommandError) throw cause
      const message = `cannot write to ${folder}: ${describeError(cause)}; give another folder with --output`
      throw new CommandError(message, { cause })
    }
    return target
  }

  async has(digest: Digest, size: number): Promise<boolean> {
    try {
      return (await stat(join(this.#folder, blobName(digest)))).size === size
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return false
      throw error
    }
  }

  async putSnapshot(file: string): Promise<void> {
    this.#snapshot = join(this.#folder, `${TEMPORARY_PREFIX}${SNAPSHOT_NAME}`)
    await copyFile(file, this.#snapshot)
    const copied = await open(this.#snapshot, 'r+')
    try {
      await copied.chmod(PRIVATE_FILE_MODE)
      await copied.sync()
    } finally {
      await copied.close()
    }
  }

  async putSecret(name: string, content: Uint8Array): Promise<void> {
    await makeDirectories(join(this.#folder, SECRETS_NAME), PRIVATE_FOLDER_MODE)
    await writeFileAtomically(join(this.#folder, SECRETS_NAME, name), content, PRIVATE_FILE_MODE)
  }

  async putBlob(digest: Digest, _size: number, body: AsyncIterable<Uint8Array>): Promise<void> {
    const path = join(this.#folder, blobName(digest))
    await this.#makeParent(path)
    const temporary = join(dirname(path), `${TEMPORARY_PREFIX}${randomBytes(6).toString('hex')}`)
    try {
      const file = await open(temporary, 'wx', PRIVATE_FILE_MODE)
      try {
        for await (const bytes of body) await file.writeFile(bytes)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
    await syncDirectory(dirname(path))
  }

  async putChunkMap(digest: Digest, content: Uint8Array): Promise<void> {
    const path = join(this.#folder, mapName(digest))
    await this.#makeParent(path)
    await writeFileAtomically(path, content, PRIVATE_FILE_MODE)
  }

  async commit(named: ReadonlySet<Digest>): Promise<void> {
    if (this.#snapshot === undefined) throw new Error('there is no snapshot to commit')
    await rename(this.#snapshot, join(this.#folder, SNAPSHOT_NAME))
    await syncDirectory(this.#folder)
    await this.#removeOthers(BLOBS_NAME, named)
    await this.#removeOthers(MAPS_NAME, named)
    await this.#unlock()
  }

  async abandon(): Promise<void> {
    if (this.#snapshot !== undefined) await rm(this.#snapshot, { force: true })
    await this.#unlock()
  }

  async #claim(): Promise<void> {
    const names = await readdir(this.#folder)
    const known = [SNAPSHOT_NAME, BLOBS_NAME, LOCK_NAME]
    if (names.length === 0 || names.some((name) => known.includes(name))) return
    throw new CommandError(`${this.#folder} holds something else than a backup; give an empty folder with --output`)
  }

  async #lock(): Promise<void> {
    const path = join(this.#folder, LOCK_NAME)
    for (;;) {
      try {
        const file = await open(path, 'wx', PRIVATE_FILE_MODE)
        await file.writeFile(`${process.pid}@${hostname()}\n`)
        await file.close()
        return
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error
        const holder = (await readFile(path, 'utf8').catch(() => '')).trim()
        if (!isDead(holder)) {
          throw new CommandError(
            `another backup is being written into ${this.#folder} by ${holder}; wait for its end, or remove ${path} when it is dead`
          )
        }
        await rm(path, { force: true })
      }
    }
  }

  async #unlock(): Promise<void> {
    await rm(join(this.#folder, LOCK_NAME), { force: true })
  }

  async #makeParent(path: string): Promise<void> {
    const parent = dirname(path)
    if (this.#made.has(parent)) return
    await makeDirectories(parent, PRIVATE_FOLDER_MODE)
    await syncDirectory(dirname(parent))
    this.#made.add(parent)
  }

  async #removeOthers(name: string, named: ReadonlySet<Digest>): Promise<void> {
    const root = join(this.#folder, name)
    for (const algorithm of await names(root)) {
      for (const prefix of await names(join(root, algorithm))) {
        for (const file of await names(join(root, algorithm, prefix))) {
          const digest = `${algorithm}:${file}`
          if (isDigest(digest) && named.has(digest)) continue
          await rm(join(root, algorithm, prefix, file), { force: true })
        }
      }
    }
  }
}

async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}

/** Whether a process of this machine is gone. Of other machines nobody knows. */
function isDead(holder: string): boolean {
  const [pid = '', host] = holder.split('@')
  if (host !== hostname() || !/^\d+$/.test(pid)) return false
  try {
    process.kill(Number(pid), 0)
    return Number(pid) === process.pid
  } catch (error) {
    return errorCode(error) === 'ESRCH'
  }
}
