import type { Database, Table } from '@shoal/content'
import type { Digest } from '@shoal/oci'
import type { LeaseRecords, Notes, UploadRecord, UploadRecords } from './metadata.ts'

/** Uploads in a `level` database. They are not worth a sync: after a power cut, the client begins again. */
export class LevelUploads implements UploadRecords {
  readonly #database: Database
  readonly #table: Table<UploadRecord>

  constructor(database: Database) {
    this.#database = database
    this.#table = database.table('uploads', 'json')
  }

  async put(upload: UploadRecord): Promise<void> {
    await this.#database.write([this.#table.put(upload.id, upload)])
  }

  async delete(id: string): Promise<void> {
    await this.#database.write([this.#table.del(id)])
  }

  async *all(): AsyncGenerator<UploadRecord, void, void> {
    for await (const [, upload] of this.#table.entries()) yield upload
  }
}

/** Leases in a `level` database. They survive `kill -9`; a power cut ends the clients' requests as well. */
export class LevelLeases implements LeaseRecords {
  readonly #database: Database
  readonly #table: Table<number>

  constructor(database: Database) {
    this.#database = database
    this.#table = database.table('leases', 'json')
  }

  async get(digest: Digest): Promise<number | undefined> {
    return await this.#table.get(digest)
  }

  async put(digest: Digest, at: number): Promise<void> {
    await this.#database.write([this.#table.put(digest, at)])
  }

  async delete(digest: Digest): Promise<void> {
    await this.#database.write([this.#table.del(digest)])
  }
}

/** Notes in a `level` database. */
export class LevelNotes implements Notes {
  readonly #database: Database
  readonly #table: Table<unknown>

  constructor(database: Database) {
    this.#database = database
    this.#table = database.table('notes', 'json')
  }

  async get(name: string): Promise<unknown> {
    return await this.#table.get(name)
  }

  async put(name: string, value: unknown): Promise<void> {
    await this.#database.write([this.#table.put(name, value)], { sync: true })
  }
}
