import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readdir, readFile, rename, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Descriptor, type Digest, digestAlgorithm, digestHex, formatReference, type Reference } from '@shoal/oci'
import { CommandError, describeError, errorCode } from '../errors.ts'
import { makeDirectories, syncDirectory, writeFileAtomically } from '../files.ts'
import type { BlobSink } from './blob-sink.ts'
import type { Image } from './image.ts'
import { addToIndex } from './layout-index.ts'
import { verified } from './verified-stream.ts'

const LAYOUT_FILE = 'oci-layout'
const LAYOUT_CONTENT = '{"imageLayoutVersion":"1.0.0"}'
/** Folder of blobs that are still being written, beside `blobs` so that a rename suffices. */
const PARTIAL_DIRECTORY = '.partial'
/** A partial file that nobody wrote to for so long was left by a process that was killed. */
const LEFTOVER_AGE_MS = 3600_000
const READ_BUFFER_BYTES = 1024 * 1024

/**
 * An OCI image layout (image-spec, image-layout.md) that images are pulled into. Every blob appears whole and checked, or
 * not at all; the index is written last.
 */
export class Layout implements BlobSink {
  readonly directory: string

  private constructor(directory: string) {
    this.directory = directory
  }

  /**
   * Opens a layout, or makes one in an empty or absent folder.
   *
   * @throws CommandError when the folder holds something else
   */
  static async open(directory: string): Promise<Layout> {
    const layout = new Layout(directory)
    try {
      await makeDirectories(directory)
      await layout.#claim()
      await makeDirectories(join(directory, 'blobs', 'sha256'))
      await makeDirectories(join(directory, PARTIAL_DIRECTORY))
      await layout.#dropLeftovers()
    } catch (cause) {
      if (cause instanceof CommandError) throw cause
      throw new CommandError(
        `cannot write to ${directory}: ${describeError(cause)}; give another folder with --output`,
        {
          cause
        }
      )
    }
    return layout
  }

  async has(blob: Descriptor, options: { signal?: AbortSignal } = {}): Promise<boolean> {
    const path = this.#pathOf(blob.digest)
    const found = await stat(path).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return undefined
      throw error
    })
    if (found === undefined || !found.isFile() || found.size !== blob.size) return false
    try {
      const stored = createReadStream(path, { highWaterMark: READ_BUFFER_BYTES, ...options })
      for await (const _bytes of verified(blob, stored)) options.signal?.throwIfAborted()
      return true
    } catch (error) {
      // What is there is damaged: it is pulled again and replaced. Other errors are not about the content.
      if (error instanceof CommandError) return false
      throw error
    }
  }

  async write(blob: Descriptor, body: AsyncIterable<Uint8Array>, onBytes: (bytes: number) => void): Promise<void> {
    const path = this.#pathOf(blob.digest)
    const partial = join(
      this.directory,
      PARTIAL_DIRECTORY,
      `${digestHex(blob.digest)}.${randomBytes(6).toString('hex')}`
    )
    await makeDirectories(dirname(path))
    try {
      const file = await open(partial, 'wx')
      try {
        for await (const bytes of verified(blob, body)) {
          await file.writeFile(bytes)
          onBytes(bytes.length)
        }
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(partial, path)
    } catch (cause) {
      await rm(partial, { force: true })
      if (errorCode(cause) !== 'ENOSPC' && errorCode(cause) !== 'EDQUOT') throw cause
      throw new CommandError(`no space left in ${this.directory}; free some, or give another folder with --output`, {
        cause
      })
    }
    await syncDirectory(dirname(path))
  }

  /** Writes the manifest, and names the image in `index.json`. */
  async finish(image: Image, reference: Reference): Promise<void> {
    const { digest } = image.descriptor
    await makeDirectories(dirname(this.#pathOf(digest)))
    await writeFileAtomically(this.#pathOf(digest), image.bytes)
    const indexFile = join(this.directory, 'index.json')
    const before = await readIfThere(indexFile)
    const names = { full: formatReference(reference), ...(reference.tag === undefined ? {} : { tag: reference.tag }) }
    await writeFileAtomically(indexFile, addToIndex(before, indexFile, image.descriptor, names))
    // Another pull into the same folder may still need it; then it stays.
    await rmdir(join(this.directory, PARTIAL_DIRECTORY)).catch((error: unknown) => {
      if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'ENOENT') throw error
    })
  }

  async #claim(): Promise<void> {
    const marker = await readIfThere(join(this.directory, LAYOUT_FILE))
    if (marker === undefined) {
      const names = await readdir(this.directory)
      if (names.length > 0) {
        throw new CommandError(
          `${this.directory} has files but is no OCI layout; give an empty or new folder with --output`
        )
      }
      await writeFileAtomically(join(this.directory, LAYOUT_FILE), LAYOUT_CONTENT)
      return
    }
    if (!/"imageLayoutVersion"\s*:\s*"1\.\d+\.\d+"/.test(marker)) {
      throw new CommandError(`${join(this.directory, LAYOUT_FILE)} is of an unknown version; give another --output`)
    }
  }

  async #dropLeftovers(): Promise<void> {
    const directory = join(this.directory, PARTIAL_DIRECTORY)
    for (const name of await readdir(directory)) {
      const { mtimeMs } = await stat(join(directory, name))
      if (Date.now() - mtimeMs > LEFTOVER_AGE_MS) await rm(join(directory, name), { force: true })
    }
  }

  #pathOf(digest: Digest): string {
    return join(this.directory, 'blobs', digestAlgorithm(digest), digestHex(digest))
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  })
}
