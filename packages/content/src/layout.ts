import type { Dirent } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Digest } from '@shoal/oci'
import { digestAlgorithm, digestHex, isDigest } from '@shoal/oci'
import { errorCode, syncDirectory } from './files.ts'
import { isIngestId } from './ingest.ts'

const ALGORITHMS = ['sha256', 'sha512'] as const

/** Where things are in a store's directory. */
export class Layout {
  readonly directory: string
  /** Directories known to exist and to be durable. */
  readonly #made = new Set<string>()

  readonly #blobs: string | undefined

  /** @param blobs where whole blobs are that another process keeps */
  constructor(directory: string, blobs?: string) {
    this.directory = directory
    this.#blobs = blobs
  }

  /** Whether whole blobs are another process's. */
  get isBorrowed(): boolean {
    return this.#blobs !== undefined
  }

  /** Of whole blobs. */
  get blobs(): string {
    return this.#blobs ?? join(this.directory, 'blobs')
  }

  /** Of the `level` database. */
  get metadata(): string {
    return join(this.directory, 'meta')
  }

  get uploads(): string {
    return join(this.directory, 'uploads')
  }

  blob(digest: Digest): string {
    const hex = digestHex(digest)
    return join(this.blobs, digestAlgorithm(digest), hex.slice(0, 2), hex)
  }

  partial(digest: Digest): string {
    return join(this.directory, 'partial', digestAlgorithm(digest), digestHex(digest))
  }

  /** Uploads without a name have a number. */
  upload(id: number | string): string {
    return join(this.uploads, String(id))
  }

  /** Names of the uploads that outlive the process. */
  async uploadNames(): Promise<string[]> {
    return (await readdir(this.uploads)).filter(isIngestId)
  }

  /** Make the store's own directory, so that the database can be opened. */
  async makeDirectory(): Promise<void> {
    // Private images are in here.
    await mkdir(this.directory, { recursive: true, mode: 0o700 })
  }

  /** Make the directories that always exist, and remove uploads without a name: nothing of them was ever promised. */
  async prepare(): Promise<void> {
    await mkdir(this.uploads, { recursive: true })
    for (const name of await readdir(this.uploads)) {
      if (!isIngestId(name)) await rm(join(this.uploads, name), { recursive: true, force: true })
    }
    for (const algorithm of ALGORITHMS) {
      if (!this.isBorrowed) await mkdir(join(this.blobs, algorithm), { recursive: true })
      await mkdir(join(this.directory, 'partial', algorithm), { recursive: true })
    }
  }

  /** Make the directory that `path` is in, durably. */
  async makeParent(path: string): Promise<void> {
    const parent = dirname(path)
    if (this.#made.has(parent)) return
    await mkdir(parent, { recursive: true })
    await syncDirectory(dirname(parent))
    this.#made.add(parent)
  }

  /** All files of whole blobs, one directory at a time. What is not named like a blob is passed over. */
  async *blobFiles(): AsyncGenerator<Digest[], void, void> {
    for (const algorithm of ALGORITHMS) {
      const root = join(this.blobs, algorithm)
      for (const prefix of await entries(root)) {
        if (!prefix.isDirectory()) continue
        yield digestsNamed(algorithm, await entries(join(root, prefix.name)), prefix.name)
      }
    }
  }

  /** All files of blobs that are not whole. */
  async *partialFiles(): AsyncGenerator<Digest[], void, void> {
    for (const algorithm of ALGORITHMS) {
      yield digestsNamed(algorithm, await readdir(join(this.directory, 'partial', algorithm), { withFileTypes: true }))
    }
  }
}

/** Another process may not have made a folder yet, or have removed it. */
async function entries(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true })
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    return []
  }
}

function digestsNamed(algorithm: string, entries: readonly Dirent[], prefix = ''): Digest[] {
  return entries
    .filter((entry) => entry.isFile() && entry.name.startsWith(prefix))
    .map(({ name }) => `${algorithm}:${name}`)
    .filter(isDigest)
}
