import { LevelDatastore } from 'datastore-level'
import { RecordCounts } from './record-counts.ts'

/** Where libp2p's peer store keeps what it knows of peers. */
const PEER_RECORDS = '/peers/'
/** Where kad-dht keeps provider records: below it the key's multihash, then the provider. */
export const PROVIDER_RECORDS = '/dht/provider/'
/** Records of peers on disk; beyond that, those go that were not needed lately. Looked after each time so many have been written. */
export const MAX_STORED_PEERS = 16_384
const PRUNE_AFTER = 4_096
/** What was learned of peers is on disk after this time: a process that is killed may forget so much. */
export const WRITE_BEHIND_MS = 5_000
/** Records of peers that are kept in memory. */
export const MAX_CACHED_PEERS = 4_096

type AbortOptions = Parameters<LevelDatastore['get']>[1]
type Key = Parameters<LevelDatastore['get']>[0]
type Query = Parameters<LevelDatastore['query']>[0]
type KeyQuery = Parameters<LevelDatastore['queryKeys']>[0]

/** Whose records are not like those of others. */
export interface PeerDatastoreInit {
  /** Our own peer id: what we provide ourselves is bounded elsewhere. */
  readonly self: string
  /** The registry's. */
  readonly authority: string
}

/**
 * libp2p's datastore, with the records of peers in memory: the peer store reads and writes one for every message of the
 * DHT, mostly the same. They are written in one batch every few seconds. What others have us keep is bounded.
 */
export class PeerDatastore extends LevelDatastore {
  readonly #records = new Map<string, Uint8Array>()
  readonly #dirty = new Map<string, Key>()
  readonly #self: string
  readonly #counts: RecordCounts
  #timer: NodeJS.Timeout | undefined
  #written = 0

  constructor(directory: string, { self, authority }: PeerDatastoreInit) {
    super(directory)
    this.#self = self
    this.#counts = new RecordCounts(authority)
  }

  /** Provider records of other agents. */
  get records(): number {
    return this.#counts.size
  }

  override async open(): Promise<void> {
    await super.open()
    for await (const key of super.queryKeys({ prefix: PROVIDER_RECORDS })) {
      const provider = this.#providerOf(key.toString())
      if (provider !== undefined) this.#counts.add(provider)
    }
  }

  /** The other peer that a provider record is of. */
  #providerOf(name: string): string | undefined {
    const provider = name.startsWith(PROVIDER_RECORDS) ? name.slice(PROVIDER_RECORDS.length).split('/')[1] : undefined
    return provider === this.#self ? undefined : provider
  }

  override async put(key: Key, value: Uint8Array, options?: AbortOptions): Promise<Key> {
    const name = key.toString()
    const provider = this.#providerOf(name)
    // One record too many is not kept. Whoever sent it has told other nodes too.
    if (provider !== undefined && !(await super.has(key, options)) && !this.#counts.add(provider)) return key
    if (!name.startsWith(PEER_RECORDS)) return super.put(key, value, options)
    this.#remember(name, value)
    this.#dirty.set(name, key)
    this.#timer ??= setTimeout(() => {
      this.#flush().catch(() => {
        // The next write says what is wrong with the disk; until then the records are in memory.
      })
    }, WRITE_BEHIND_MS).unref()
    return key
  }

  override async get(key: Key, options?: AbortOptions): Promise<Uint8Array> {
    const name = key.toString()
    const known = this.#records.get(name)
    if (known !== undefined) return known
    const value = await super.get(key, options)
    if (name.startsWith(PEER_RECORDS)) this.#remember(name, value)
    return value
  }

  override async has(key: Key, options?: AbortOptions): Promise<boolean> {
    return this.#records.has(key.toString()) || (await super.has(key, options))
  }

  override async delete(key: Key, options?: AbortOptions): Promise<void> {
    this.#records.delete(key.toString())
    this.#dirty.delete(key.toString())
    const provider = this.#providerOf(key.toString())
    if (provider !== undefined && (await super.has(key, options))) this.#counts.remove(provider)
    await super.delete(key, options)
  }

  override async *query(query: Query, options?: AbortOptions): ReturnType<LevelDatastore['query']> {
    await this.#flush()
    yield* super.query(query, options)
  }

  override async *queryKeys(query: KeyQuery, options?: AbortOptions): ReturnType<LevelDatastore['queryKeys']> {
    await this.#flush()
    yield* super.queryKeys(query, options)
  }

  override async close(): Promise<void> {
    // libp2p closes it when it stops, and may still learn something of a peer after that.
    if (this.db.status === 'open') await this.#flush()
    clearTimeout(this.#timer)
    await super.close()
  }

  #remember(name: string, value: Uint8Array): void {
    this.#records.delete(name)
    this.#records.set(name, value)
    if (this.#records.size <= MAX_CACHED_PEERS) return
    for (const oldest of this.#records.keys()) {
      if (this.#dirty.has(oldest)) continue
      this.#records.delete(oldest)
      return
    }
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#dirty.size === 0) return
    const batch = this.batch()
    for (const [name, key] of this.#dirty) {
      const value = this.#records.get(name)
      if (value !== undefined) batch.put(key, value)
    }
    this.#written += this.#dirty.size
    this.#dirty.clear()
    await batch.commit()
    if (this.#written < PRUNE_AFTER) return
    this.#written = 0
    await this.#prune()
  }

  /** Anybody may say hello, and libp2p forgets nobody. */
  async #prune(): Promise<void> {
    const idle: Key[] = []
    let stored = 0
    for await (const key of super.queryKeys({ prefix: PEER_RECORDS })) {
      stored++
      if (!this.#records.has(key.toString())) idle.push(key)
    }
    const batch = this.batch()
    for (const key of idle.slice(0, Math.max(0, stored - MAX_STORED_PEERS))) batch.delete(key)
    await batch.commit()
  }
}
