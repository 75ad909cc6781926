import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Digest } from '@shoal/oci'
import { type Pack, pack } from 'tar-stream'
import { CommandError, describeError } from '../errors.ts'
import { syncDirectory } from '../files.ts'
import { blobName, mapName, PRIVATE_FILE_MODE, SECRETS_NAME, SNAPSHOT_NAME } from './backup-layout.ts'
import type { BackupTarget } from './backup-target.ts'

/** A backup in one tar archive, the snapshot first; it appears under its name when it is whole. */
export class ArchiveTarget implements BackupTarget {
  /** An archive is written from its beginning to its end. */
  readonly concurrency = 1
  readonly #pack: Pack = pack()
  readonly #written: Promise<void>
  readonly #temporary: string
  readonly #file: string

  private constructor(output: Writable, temporary: string, file: string) {
    this.#temporary = temporary
    this.#file = file
    this.#written = pipeline(this.#pack, output)
    // Told of by whoever writes next, or at the end.
    this.#written.catch(() => undefined)
  }

  /** Writes to a file. @throws CommandError when it cannot be made */
  static async open(file: string): Promise<ArchiveTarget> {
    const temporary = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString('hex')}`)
    try {
      const handle = await open(temporary, 'wx', PRIVATE_FILE_MODE)
      return new ArchiveTarget(handle.createWriteStream(), temporary, file)
    } catch (cause) {
      throw new CommandError(`cannot write ${file}: ${describeError(cause)}; give another file with --output`, {
        cause
      })
    }
  }

  async has(): Promise<boolean> {
    return false
  }

  async putSnapshot(file: string): Promise<void> {
    const { size } = await stat(file)
    await this.#put(SNAPSHOT_NAME, size, createReadStream(file))
  }

  async putSecret(name: string, content: Uint8Array): Promise<void> {
    await this.#put(join(SECRETS_NAME, name), content.length, [content])
  }

  async putBlob(digest: Digest, size: number, body: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#put(blobName(digest), size, body)
  }

  async putChunkMap(digest: Digest, content: Uint8Array): Promise<void> {
    await this.#put(mapName(digest), content.length, [content])
  }

  async commit(): Promise<void> {
    this.#pack.finalize()
    await this.#written
    await publish(this.#temporary, this.#file)
  }

  async abandon(): Promise<void> {
    this.#pack.destroy()
    await this.#written.catch(() => undefined)
    await rm(this.#temporary, { force: true })
  }

  async #put(name: string, size: number, body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const entry = this.#pack.entry({ name, size, mode: PRIVATE_FILE_MODE })
    // Whichever fails first: a disk that is full would leave the entry waiting for ever.
    const failed = this.#written.then(() => Promise.reject(new CommandError('the archive ended too early')))
    const input = Readable.from(body)
    try {
      await Promise.race([pipeline(input, entry), failed])
    } catch (error) {
      input.destroy()
      throw error
    }
  }
}

async function publish(temporary: string, target: string): Promise<void> {
  const file = await open(temporary, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, target)
  await syncDirectory(dirname(target))
}
