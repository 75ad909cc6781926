import { mkdir } from 'node:fs/promises'
import type { Descriptor, Digest } from '@shoal/oci'
import { type BatchOperation, Level } from 'level'
import { KeyedLock } from './keyed-lock.ts'
import type { ManifestNames, ManifestRecord, Metadata, Page, PullRecord } from './metadata.ts'

type Database = Level<string, string>
/** One write of a batch. */
type Write = BatchOperation<Database, string, unknown>

/** Every write is on disk before it is answered for. */
const DURABLE = { sync: true } as const

/** The data folder is open in another process, or cannot be opened. */
export class MetadataOpenError extends Error {
  override readonly name = 'MetadataOpenError'
  readonly code = 'METADATA_OPEN'

  constructor(directory: string, options?: ErrorOptions) {
    super(`cannot open ${directory}: stop the process that uses it, or choose another data folder`, options)
  }
}

/**
 * Metadata in a `level` database.
 *
 * Keys are `<repository>:<what it is about>`. A repository name has no colon, and `;` follows the colon, so that
 * everything of a repository lies between `name:` and `name;`.
 */
export class LevelMetadata implements Metadata {
  readonly #database: Database
  readonly #repositories
  readonly #blobs
  readonly #manifests
  readonly #tags
  readonly #referrers
  readonly #pulls
  /** A tag must not appear on a manifest that is being deleted. */
  readonly #lock = new KeyedLock<string>()

  private constructor(database: Database) {
    this.#database = database
    this.#repositories = database.sublevel('repositories')
    this.#blobs = database.sublevel('blobs')
    this.#manifests = database.sublevel<string, ManifestRecord>('manifests', { valueEncoding: 'json' })
    this.#tags = database.sublevel<string, Digest>('tags', { valueEncoding: 'utf8' })
    this.#referrers = database.sublevel<string, Descriptor>('referrers', { valueEncoding: 'json' })
    this.#pulls = database.sublevel<string, number>('pulls', { valueEncoding: 'json' })
  }

  /** @throws MetadataOpenError */
  static async open(directory: string): Promise<LevelMetadata> {
    const database: Database = new Level(directory)
    try {
      await mkdir(directory, { recursive: true })
      await database.open()
    } catch (cause) {
      throw new MetadataOpenError(directory, { cause })
    }
    return new LevelMetadata(database)
  }

  async hasRepository(repository: string): Promise<boolean> {
    return await this.#repositories.has(repository)
  }

  async countRepositories(): Promise<number> {
    let count = 0
    for await (const _ of this.#repositories.keys()) count++
    return count
  }

  async linkBlob(repository: string, digest: Digest): Promise<void> {
    await this.#write([
      { type: 'put', sublevel: this.#repositories, key: repository, value: '' },
      { type: 'put', sublevel: this.#blobs, key: `${repository}:${digest}`, value: '' }
    ])
  }

  async hasBlob(repository: string, digest: Digest): Promise<boolean> {
    return await this.#blobs.has(`${repository}:${digest}`)
  }

  async unlinkBlob(repository: string, digest: Digest): Promise<boolean> {
    return await this.#lock.run(repository, async () => {
      if (!(await this.hasBlob(repository, digest))) return false
      await this.#write([{ type: 'del', sublevel: this.#blobs, key: `${repository}:${digest}` }])
      return true
    })
  }

  async putManifest(repository: string, manifest: ManifestRecord, names: ManifestNames): Promise<void> {
    const { digest, subject } = manifest
    const writes: Write[] = [
      { type: 'put', sublevel: this.#repositories, key: repository, value: '' },
      { type: 'put', sublevel: this.#manifests, key: `${repository}:${digest}`, value: manifest }
    ]
    for (const tag of names.tags) {
      writes.push({ type: 'put', sublevel: this.#tags, key: `${repository}:${tag}`, value: digest })
    }
    if (subject !== undefined && names.referrer !== undefined) {
      const key = `${repository}:${subject}:${digest}`
      writes.push({ type: 'put', sublevel: this.#referrers, key, value: names.referrer })
    }
    await this.#lock.run(repository, async () => await this.#write(writes))
  }

  async manifest(repository: string, digest: Digest): Promise<ManifestRecord | undefined> {
    return await this.#manifests.get(`${repository}:${digest}`)
  }

  async deleteManifest(repository: string, digest: Digest): Promise<boolean> {
    return await this.#lock.run(repository, async () => {
      const manifest = await this.manifest(repository, digest)
      if (manifest === undefined) return false
      const key = `${repository}:${digest}`
      const writes: Write[] = [
        { type: 'del', sublevel: this.#manifests, key },
        { type: 'del', sublevel: this.#pulls, key }
      ]
      for await (const [key, named] of this.#tags.iterator({ gt: `${repository}:`, lt: `${repository};` })) {
        if (named === digest) writes.push({ type: 'del', sublevel: this.#tags, key })
      }
      if (manifest.subject !== undefined) {
        writes.push({ type: 'del', sublevel: this.#referrers, key: `${repository}:${manifest.subject}:${digest}` })
      }
      await this.#write(writes)
      return true
    })
  }

  async recordPulls(pulls: readonly PullRecord[]): Promise<void> {
    for (const { digest, pulledAt, repository } of pulls) {
      const key = `${repository}:${digest}`
      await this.#lock.run(repository, async () => {
        if (await this.#manifests.has(key)) await this.#pulls.put(key, pulledAt)
      })
    }
  }

  async pulledAt(repository: string, digest: Digest): Promise<number | undefined> {
    return await this.#pulls.get(`${repository}:${digest}`)
  }

  async tag(repository: string, tag: string): Promise<Digest | undefined> {
    return await this.#tags.get(`${repository}:${tag}`)
  }

  async deleteTag(repository: string, tag: string): Promise<boolean> {
    return await this.#lock.run(repository, async () => {
      if ((await this.tag(repository, tag)) === undefined) return false
      await this.#write([{ type: 'del', sublevel: this.#tags, key: `${repository}:${tag}` }])
      return true
    })
  }

  async tags(repository: string, page: Page): Promise<string[]> {
    const range = { gt: `${repository}:${page.after ?? ''}`, lt: `${repository};`, limit: page.limit }
    const keys = await this.#tags.keys(range).all()
    return keys.map((key) => key.slice(repository.length + 1))
  }

  async *referrers(repository: string, subject: Digest, after?: string): AsyncGenerator<Descriptor, void, void> {
    const prefix = `${repository}:${subject}`
    yield* this.#referrers.values({ gt: `${prefix}:${after ?? ''}`, lt: `${prefix};` })
  }

  async close(): Promise<void> {
    await this.#database.close()
  }

  async #write(writes: Write[]): Promise<void> {
    await this.#database.batch<string, unknown>(writes, DURABLE)
  }
}
