import { readdir, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import { StoreClosedError, StoreFullError } from './errors.ts'
import { storeError } from './files.ts'

/** Operations written together at most. */
const GROUP_MAX = 1000
/** Free disk space from which a database that failed to write is opened again, beside the size of its log, bytes. */
const REOPEN_ROOM_BYTES = 256 * 1024

type Encoding = 'utf8' | 'json' | 'view'

type Sublevel = ReturnType<Level<string, string>['sublevel']>

/** A table, whatever is in it. */
interface InDatabase {
  /** The part of this database that the table is. */
  of(level: Level<string, string>): Sublevel
}

/** A {@link Database} as it was at one instant. Ends when the database has to be opened again after a failed write. */
export type DatabaseSnapshot = ReturnType<Level<string, string>['snapshot']>

/** One change of a table. */
export type TableWrite =
  | { readonly type: 'put'; readonly table: InDatabase; readonly key: string; readonly value: unknown }
  | { readonly type: 'del'; readonly table: InDatabase; readonly key: string }

/** Part of a table: keys behind `gt` and before `lt`, by code unit. */
export interface TableRange {
  readonly gt?: string
  readonly gte?: string
  readonly lt?: string
  readonly limit?: number
}

interface Waiting {
  readonly writes: readonly TableWrite[]
  readonly sync: boolean
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * A `level` database that survives a full disk.
 *
 * When a write to LevelDB's log fails, the log is torn there, and LevelDB goes on behind the tear as if nothing had
 * happened: what it then takes is gone at the next start (docs/decisions/full-disk.md has the figures). So one write is
 * under way at a time, and after one that failed nothing more is written before the database was closed and opened
 * again, which heals the log. Writes that wait for the one under way are written together.
 */
export class Database {
  readonly #path: string
  #level: Level<string, string>
  readonly #waiting: Waiting[] = []
  #writing: Promise<void> | undefined
  #suspect = false
  #reopening: Promise<void> | undefined
  #closed = false

  private constructor(path: string) {
    this.#path = path
    this.#level = new Level(path)
  }

  /** @throws what `level` throws: `LEVEL_LOCKED` in the cause when another process has it open; StoreFullError. */
  static async open(path: string): Promise<Database> {
    const database = new Database(path)
    await database.#open()
    return database
  }

  /** A part of the database with keys of its own. Tables of one name share their entries. */
  table<V>(name: string, valueEncoding: Encoding): Table<V> {
    return new Table<V>(name, valueEncoding, async () => await this.#current())
  }

  /**
   * Make these changes, all or none. They survive the end of the process when this resolves, and a power cut with `sync`.
   *
   * @throws StoreFullError
   */
  async write(writes: readonly TableWrite[], { sync = false }: { readonly sync?: boolean } = {}): Promise<void> {
    if (this.#closed) throw new StoreClosedError(`the database ${this.#path}`)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push({ writes, sync, resolve, reject })
    this.#writing ??= this.#drain()
    await promise
  }

  /** Keep everything as it is now for reading, until the snapshot is closed. */
  async snapshot(): Promise<DatabaseSnapshot> {
    return (await this.#current()).snapshot()
  }

  /** Write what waits, and close. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#writing
    await this.#reopening?.catch(() => undefined)
    await this.#level.close()
  }

  async #drain(): Promise<void> {
    // What is asked for in the same turn is written together.
    await Promise.resolve()
    for (let group = this.#group(); group.length > 0; group = this.#group()) {
      try {
        if (this.#suspect) await this.#reopen()
        await this.#batch(group)
        for (const { resolve } of group) resolve()
      } catch (error) {
        this.#suspect = true
        for (const { reject } of group) reject(storeError(error, `the database ${this.#path}`))
      }
    }
    this.#writing = undefined
  }

  #group(): Waiting[] {
    let operations = 0
    let count = 0
    for (const { writes } of this.#waiting) {
      operations += writes.length
      if (count > 0 && operations > GROUP_MAX) break
      count++
    }
    return this.#waiting.splice(0, count)
  }

  async #batch(group: readonly Waiting[]): Promise<void> {
    const level = this.#level
    const operations = group.flatMap(({ writes }) =>
      writes.map((write) => {
        const sublevel = write.table.of(level)
        return write.type === 'del'
          ? ({ type: 'del', sublevel, key: write.key } as const)
          : ({ type: 'put', sublevel, key: write.key, value: write.value } as const)
      })
    )
    await level.batch<string, unknown>(operations, { sync: group.some(({ sync }) => sync) })
  }

  /** The database for reading, as soon as it is open. */
  async #current(): Promise<Level<string, string>> {
    if (this.#reopening !== undefined) await this.#reopening.catch(() => undefined)
    // A write that failed may be in the log all the same, and would be there after a restart: what is read must not change
    // then. Where there is no room to find out, what was known before is read.
    else if (this.#suspect && !this.#closed) await this.#reopen().catch(() => undefined)
    if (this.#level.status !== 'open' && !this.#closed) await this.#reopen()
    return this.#level
  }

  async #reopen(): Promise<void> {
    this.#reopening ??= this.#heal().finally(() => {
      this.#reopening = undefined
    })
    await this.#reopening
  }

  async #heal(): Promise<void> {
    // Opening writes the log into a table. Closed and full, it could not even be read.
    const { bavail, bsize } = await statfs(this.#path)
    const room = (await this.#logBytes()) + REOPEN_ROOM_BYTES
    if (bavail * bsize < room) throw new StoreFullError(`the database ${this.#path}`)
    await this.#level.close()
    this.#level = new Level(this.#path)
    await this.#open()
    this.#suspect = false
  }

  async #logBytes(): Promise<number> {
    const names = (await readdir(this.#path)).filter((name) => name.endsWith('.log'))
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(this.#path, name))).size))
    return sizes.reduce((sum, size) => sum + size, 0)
  }

  async #open(): Promise<void> {
    try {
      await this.#level.open()
    } catch (error) {
      throw storeError(error, `the database ${this.#path}`)
    }
  }
}

/** A part of a {@link Database}: the keys of one name. Changes go through `Database.write`. */
export class Table<V> implements InDatabase {
  readonly #name: string
  readonly #encoding: Encoding
  readonly #current: () => Promise<Level<string, string>>
  #made: { readonly level: Level<string, string>; readonly sublevel: Sublevel } | undefined

  constructor(name: string, encoding: Encoding, current: () => Promise<Level<string, string>>) {
    this.#name = name
    this.#encoding = encoding
    this.#current = current
  }

  put(key: string, value: V): TableWrite {
    return { type: 'put', table: this, key, value }
  }

  del(key: string): TableWrite {
    return { type: 'del', table: this, key }
  }

  /** The value now, or that of a snapshot; a snapshot that has ended throws. */
  async get(key: string, at?: DatabaseSnapshot): Promise<V | undefined> {
    const value: unknown = await (await this.#sublevel()).get(key, at === undefined ? {} : { snapshot: at })
    return value as V | undefined
  }

  async has(key: string): Promise<boolean> {
    return await (await this.#sublevel()).has(key)
  }

  async *keys(range: TableRange = {}): AsyncGenerator<string, void, void> {
    yield* (await this.#sublevel()).keys(range)
  }

  /** The entries now, or those of a snapshot; a snapshot that has ended throws. */
  async *entries(range: TableRange = {}, at?: DatabaseSnapshot): AsyncGenerator<[string, V], void, void> {
    const options = at === undefined ? range : { ...range, snapshot: at }
    for await (const [key, value] of (await this.#sublevel()).iterator(options)) yield [key, value as V]
  }

  of(level: Level<string, string>): Sublevel {
    if (this.#made?.level !== level) {
      this.#made = { level, sublevel: level.sublevel(this.#name, { valueEncoding: this.#encoding }) }
    }
    return this.#made.sublevel
  }

  async #sublevel(): Promise<Sublevel> {
    return this.of(await this.#current())
  }
}
