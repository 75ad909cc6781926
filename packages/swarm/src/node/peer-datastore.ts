import { LevelDatastore } from 'datastore-level'

/** Where libp2p's peer store keeps what it knows of peers. */
const PEER_RECORDS = '/peers/'
/** What was learned of peers is on disk after this time: a process that is killed may forget so much. */
export const WRITE_BEHIND_MS = 5_000
/** Records of peers that are kept in memory. */
export const MAX_CACHED_PEERS = 4_096

type AbortOptions = Parameters<LevelDatastore['get']>[1]
type Key = Parameters<LevelDatastore['get']>[0]
type Query = Parameters<LevelDatastore['query']>[0]
type KeyQuery = Parameters<LevelDatastore['queryKeys']>[0]

/**
 * libp2p's datastore, with the records of peers in memory: the peer store reads and writes one for every message of the
 * DHT, mostly the same. They are written in one batch every few seconds.
 */
export class PeerDatastore extends LevelDatastore {
  readonly #records = new Map<string, Uint8Array>()
  readonly #dirty = new Map<string, Key>()
  #timer: NodeJS.Timeout | undefined

  override async put(key: Key, value: Uint8Array, options?: AbortOptions): Promise<Key> {
    const name = key.toString()
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
    this.#dirty.clear()
    await batch.commit()
  }
}
