import { mkdir } from 'node:fs/promises'
import { Database, StoreFullError, type Table, type TableWrite } from '@shoal/content'
import { type Descriptor, type Digest, isDigest } from '@shoal/oci'
import type { NewEvent } from './events/event.ts'
import { EventLog } from './events/event-log.ts'
import { KeyedLock } from './keyed-lock.ts'
import { LevelLeases, LevelNotes, LevelUploads } from './level-records.ts'
import { LevelSnapshot } from './level-snapshot.ts'
import type {
  Holding,
  LeaseRecords,
  ManifestNames,
  ManifestRecord,
  Metadata,
  MetadataSnapshot,
  Notes,
  Page,
  PullRecord,
  TagRecord,
  UploadRecords
} from './metadata.ts'
import { TagFixedError } from './metadata.ts'
import { SharedLock } from './shared-lock.ts'

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
 * everything of a repository lies between `name:` and `name;`. A digest has one colon.
 */
export class LevelMetadata implements Metadata {
  readonly uploads: UploadRecords
  readonly leases: LeaseRecords
  readonly notes: Notes
  /** Events are written with what they tell of. */
  readonly eventLog: EventLog
  readonly #database: Database
  readonly #repositories: Table<string>
  /** `repository:digest`; the value is in the holdings. */
  readonly #blobs: Table<string>
  /** `digest:repository:kind`, with the size. */
  readonly #holdings: Table<number>
  readonly #manifests: Table<ManifestRecord>
  readonly #references: Table<readonly Digest[]>
  /** The references the other way round: `repository:digest:manifest`. */
  readonly #users: Table<string>
  readonly #tags: Table<Digest>
  /** The tags the other way round: `repository:digest:tag`, with the time. */
  readonly #tagged: Table<number>
  readonly #referrers: Table<Descriptor>
  readonly #pulls: Table<number>
  /**
   * Nothing may appear beside a manifest or tag of a repository that is being deleted. Pushes share it, so that those who
   * come together wait for the same sync of the disk and not for one after the other.
   */
  readonly #lock = new SharedLock<string>()
  /** `repository:tag`: where a tag was must be known until it has moved. */
  readonly #moving = new KeyedLock<string>()

  private constructor(database: Database) {
    this.#database = database
    this.#repositories = database.table('repositories', 'utf8')
    this.#blobs = database.table('blobs', 'utf8')
    this.#holdings = database.table('holdings', 'json')
    this.#manifests = database.table('manifests', 'json')
    this.#references = database.table('references', 'json')
    this.#users = database.table('users', 'utf8')
    this.#tags = database.table('tags', 'utf8')
    this.#tagged = database.table('tagged', 'json')
    this.#referrers = database.table('referrers', 'json')
    this.#pulls = database.table('pulls', 'json')
    this.uploads = new LevelUploads(database)
    this.leases = new LevelLeases(database)
    this.notes = new LevelNotes(database)
    this.eventLog = new EventLog(database)
  }

  /** @throws MetadataOpenError, StoreFullError */
  static async open(directory: string): Promise<LevelMetadata> {
    try {
      await mkdir(directory, { recursive: true })
      return new LevelMetadata(await Database.open(directory))
    } catch (cause) {
      throw cause instanceof StoreFullError ? cause : new MetadataOpenError(directory, { cause })
    }
  }

  async hasRepository(repository: string): Promise<boolean> {
    return await this.#repositories.has(repository)
  }

  async countRepositories(): Promise<number> {
    let count = 0
    for await (const _ of this.repositories()) count++
    return count
  }

  repositories(after?: string): AsyncIterable<string> {
    return this.#repositories.keys(after === undefined ? {} : { gt: after })
  }

  async linkBlob(repository: string, digest: Digest, size: number, events?: readonly NewEvent[]): Promise<void> {
    const writes = [
      this.#repositories.put(repository, ''),
      this.#blobs.put(`${repository}:${digest}`, ''),
      this.#holdings.put(`${digest}:${repository}:blob`, size)
    ]
    await this.#write(writes, events)
  }

  async hasBlob(repository: string, digest: Digest): Promise<boolean> {
    return await this.#blobs.has(`${repository}:${digest}`)
  }

  async unlinkBlob(repository: string, digest: Digest, events?: readonly NewEvent[]): Promise<boolean> {
    return await this.#lock.run(repository, async () => {
      if (!(await this.hasBlob(repository, digest))) return false
      const writes = [this.#blobs.del(`${repository}:${digest}`), this.#holdings.del(`${digest}:${repository}:blob`)]
      await this.#write(writes, events)
      return true
    })
  }

  async *blobs(repository: string, after?: Digest): AsyncGenerator<Digest, void, void> {
    const range = { gt: `${repository}:${after ?? ''}`, lt: `${repository};` }
    for await (const key of this.#blobs.keys(range)) yield* digests(key.slice(repository.length + 1))
  }

  async putManifest(repository: string, manifest: ManifestRecord, names: ManifestNames): Promise<void> {
    const { digest, pushedAt, size, subject } = manifest
    const key = `${repository}:${digest}`
    const references = [...new Set(names.references)]
    const writes: TableWrite[] = [
      this.#repositories.put(repository, ''),
      this.#manifests.put(key, manifest),
      this.#holdings.put(`${digest}:${repository}:manifest`, size),
      this.#references.put(key, references),
      ...references.map((each) => this.#users.put(`${repository}:${each}:${digest}`, ''))
    ]
    if (subject !== undefined && names.referrer !== undefined) {
      writes.push(this.#referrers.put(`${repository}:${subject}:${digest}`, names.referrer))
    }
    const put = async (): Promise<void> => {
      for (const tag of names.tags) {
        const before = await this.tag(repository, tag)
        if (before !== undefined && before !== digest && names.fixed?.includes(tag)) throw new TagFixedError(tag)
        if (before !== undefined) writes.push(this.#tagged.del(`${repository}:${before}:${tag}`))
        writes.push(this.#tags.put(`${repository}:${tag}`, digest), this.#tagged.put(`${key}:${tag}`, pushedAt))
      }
      await this.#write(writes, names.events)
    }
    // Always in the same order, so that two pushes never wait for each other.
    const tags = [...new Set(names.tags)].sort()
    const alone = tags.reduceRight((work, tag) => async () => await this.#moving.run(`${repository}:${tag}`, work), put)
    await this.#lock.share(repository, alone)
  }

  async manifest(repository: string, digest: Digest): Promise<ManifestRecord | undefined> {
    return await this.#manifests.get(`${repository}:${digest}`)
  }

  async *manifests(repository: string, after?: Digest): AsyncGenerator<ManifestRecord, void, void> {
    const range = { gt: `${repository}:${after ?? ''}`, lt: `${repository};` }
    for await (const [, manifest] of this.#manifests.entries(range)) yield manifest
  }

  async deleteManifest(
    repository: string,
    digest: Digest,
    events?: readonly NewEvent[],
    isFixed?: (tag: string) => boolean
  ): Promise<boolean> {
    return await this.#lock.run(repository, async () => {
      const manifest = await this.manifest(repository, digest)
      if (manifest === undefined) return false
      const key = `${repository}:${digest}`
      const writes: TableWrite[] = [
        this.#manifests.del(key),
        this.#holdings.del(`${digest}:${repository}:manifest`),
        this.#references.del(key),
        this.#pulls.del(key)
      ]
      for (const each of (await this.#references.get(key)) ?? []) {
        writes.push(this.#users.del(`${repository}:${each}:${digest}`))
      }
      for await (const { tag } of this.tagged(repository, digest)) {
        if (isFixed?.(tag) === true) throw new TagFixedError(tag)
        writes.push(this.#tagged.del(`${key}:${tag}`), this.#tags.del(`${repository}:${tag}`))
      }
      if (manifest.subject !== undefined) {
        writes.push(this.#referrers.del(`${repository}:${manifest.subject}:${digest}`))
      }
      await this.#write(writes, events)
      return true
    })
  }

  async recordPulls(pulls: readonly PullRecord[]): Promise<void> {
    for (const { digest, pulledAt, repository } of pulls) {
      const key = `${repository}:${digest}`
      await this.#lock.share(repository, async () => {
        if (await this.#manifests.has(key)) await this.#database.write([this.#pulls.put(key, pulledAt)])
      })
    }
  }

  async pulledAt(repository: string, digest: Digest): Promise<number | undefined> {
    return await this.#pulls.get(`${repository}:${digest}`)
  }

  async tag(repository: string, tag: string): Promise<Digest | undefined> {
    return await this.#tags.get(`${repository}:${tag}`)
  }

  async deleteTag(
    repository: string,
    tag: string,
    expected?: TagRecord,
    events?: readonly NewEvent[]
  ): Promise<boolean> {
    return await this.#lock.run(repository, async () => {
      const digest = await this.tag(repository, tag)
      if (digest === undefined) return false
      const key = `${repository}:${digest}:${tag}`
      const taggedAt = await this.#tagged.get(key)
      if (expected !== undefined && (expected.digest !== digest || expected.taggedAt !== taggedAt)) return false
      await this.#write([this.#tags.del(`${repository}:${tag}`), this.#tagged.del(key)], events)
      return true
    })
  }

  async tags(repository: string, page: Page): Promise<string[]> {
    const range = { gt: `${repository}:${page.after ?? ''}`, lt: `${repository};`, limit: page.limit }
    const keys = await Array.fromAsync(this.#tags.keys(range))
    return keys.map((key) => key.slice(repository.length + 1))
  }

  async *tagged(repository: string, digest?: Digest): AsyncGenerator<TagRecord, void, void> {
    const prefix = digest === undefined ? repository : `${repository}:${digest}`
    for await (const [key, taggedAt] of this.#tagged.entries({ gt: `${prefix}:`, lt: `${prefix};` })) {
      const end = key.lastIndexOf(':')
      for (const named of digests(key.slice(repository.length + 1, end))) {
        yield { tag: key.slice(end + 1), digest: named, taggedAt }
      }
    }
  }

  async *users(repository: string, digest: Digest): AsyncGenerator<Digest, void, void> {
    const prefix = `${repository}:${digest}`
    for await (const key of this.#users.keys({ gt: `${prefix}:`, lt: `${prefix};` })) {
      yield* digests(key.slice(prefix.length + 1))
    }
  }

  async *holdings(digest: Digest, prefix = ''): AsyncGenerator<Holding, void, void> {
    // Nothing in a repository name comes after `~`.
    const range = { gte: `${digest}:${prefix}`, lt: `${digest}:${prefix}~` }
    for await (const [key, size] of this.#holdings.entries(range)) {
      const end = key.lastIndexOf(':')
      const kind = key.slice(end + 1) === 'blob' ? 'blob' : 'manifest'
      yield { repository: key.slice(digest.length + 1, end), kind, size }
    }
  }

  async *referrers(repository: string, subject: Digest, after?: string): AsyncGenerator<Descriptor, void, void> {
    const prefix = `${repository}:${subject}`
    const entries = this.#referrers.entries({ gt: `${prefix}:${after ?? ''}`, lt: `${prefix};` })
    for await (const [, descriptor] of entries) yield descriptor
  }

  async snapshot(): Promise<MetadataSnapshot> {
    return new LevelSnapshot(this.#database, await this.#database.snapshot())
  }

  async close(): Promise<void> {
    await this.#database.close()
  }

  async #write(writes: TableWrite[], events: readonly NewEvent[] = []): Promise<void> {
    await this.eventLog.write(writes, events, DURABLE)
  }
}

function digests(text: string): Digest[] {
  return isDigest(text) ? [text] : []
}
