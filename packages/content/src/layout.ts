import type { Dirent } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Digest } from '@shoal/oci'
import { digestAlgorithm, digestHex, isDigest } from '@shoal/oci'
import { syncDirectory } from './files.ts'
import { isIngestId } from './ingest.ts'

const ALGORITHMS = ['sha256', 'sha512'] as const

/** Where things are in a store's directory. */
export class Layout {
  readonly directory: string
  /** Directories known to exist and to be durable. */
  readonly #made = new Set<string>()

  constructor(directory: string) {
    this.directory = directory
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
    return join(this.directory, 'blobs', digestAlgorithm(digest), hex.slice(0, 2), hex)
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
      await mkdir(join(this.directory, 'blobs', algorithm), { recursive: true })
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
      const root = join(this.directory, 'blobs', algorithm)
      for (const prefix of await readdir(root, { withFileTypes: true })) {
        if (!prefix.isDirectory()) continue
        yield digestsNamed(algorithm, await readdir(join(root, prefix.name), { withFileTypes: true }), prefix.name)
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

function digestsNamed(algorithm: string, entries: readonly Dirent[], prefix = ''): Digest[] {
  return entries
    .filter((entry) => entry.isFile() && entry.name.startsWith(prefix))
    .map(({ name }) => `${algorithm}:${name}`)
    .filter(isDigest)
}
