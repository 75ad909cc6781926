import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ChunkMapError, type ContentStore, decodeSignedMap } from '@shoal/content'
import type { Digest } from '@shoal/oci'
import type { SnapshotRecord } from '@shoal/registry'
import type { Clock, Logger } from '@shoal/swarm'
import { CommandError, describeError, errorCode } from '../errors.ts'
import { mapName, SNAPSHOT_NAME } from './backup-layout.ts'
import { blobsOf, recordsOf } from './snapshot-file.ts'

/** How often a standby looks for a newer backup. */
export const BACKUP_POLL_MS = 5_000

/** What watches a backup. */
export interface WatchedBackupInit {
  readonly folder: string
  /** Borrows the blobs of the backup. */
  readonly store: Pick<ContentStore, 'putChunkMap' | 'refresh' | 'stat'>
  readonly clock: Clock
  readonly logger: Logger
  /** The backup is a newer one, and its blobs are in the store. */
  readonly adopt: (records: AsyncIterable<SnapshotRecord>) => Promise<void>
}

/** A backup in a folder that another process renews: what is in it, and what is new in it. */
export class WatchedBackup {
  readonly #init: WatchedBackupInit
  #seen: string | undefined
  #mapped = new Set<Digest>()
  #stopWatch: () => void = () => undefined
  #looking: Promise<void> = Promise.resolve()

  constructor(init: WatchedBackupInit) {
    this.#init = init
  }

  /** Adopts the backup that is there, then every newer one. @throws CommandError when there is none, or it is damaged */
  async start(): Promise<void> {
    await this.#look()
    this.#stopWatch = this.#init.clock.every(BACKUP_POLL_MS, () => {
      this.#looking = this.#looking.then(async () => await this.#lookAgain())
    })
  }

  async stop(): Promise<void> {
    this.#stopWatch()
    await this.#looking
  }

  async #lookAgain(): Promise<void> {
    try {
      await this.#look()
    } catch (error) {
      this.#init.logger.error({ error }, 'the backup cannot be read; what was read before is still served')
    }
  }

  async #look(): Promise<void> {
    const { adopt, folder, logger, store } = this.#init
    const file = join(folder, SNAPSHOT_NAME)
    const state = await this.#state(file)
    if (state === this.#seen) return
    // To its end before anything is done: what is damaged must not take the place of what is served.
    const blobs = await blobsOf(createReadStream(file))
    await store.refresh()
    for (const digest of blobs.keys()) await this.#putChunkMap(digest)
    this.#mapped = new Set(blobs.keys())
    const missing = await this.#missing(blobs.keys())
    if (missing > 0) logger.warn({ missing }, 'the backup lacks blobs that it names')
    await adopt(recordsOf(createReadStream(file)))
    this.#seen = state
    logger.info({ blobs: blobs.size }, 'the backup is served')
  }

  /** Changes with every backup: each is a new file. */
  async #state(file: string): Promise<string> {
    try {
      const { ino, mtimeMs, size } = await stat(file)
      return `${ino} ${mtimeMs} ${size}`
    } catch (cause) {
      const message = `cannot read ${file}: ${describeError(cause)}; make a backup into this folder with "shoal backup"`
      throw new CommandError(message, { cause })
    }
  }

  async #putChunkMap(digest: Digest): Promise<void> {
    if (this.#mapped.has(digest)) return
    try {
      await this.#init.store.putChunkMap(decodeSignedMap(await readFile(join(this.#init.folder, mapName(digest)))))
    } catch (error) {
      // A blob of one chunk has none. One whose map is damaged is served over HTTP, and not to the mesh.
      if (error instanceof ChunkMapError) this.#init.logger.warn({ error, digest }, 'a chunk map is damaged')
      else if (errorCode(error) !== 'ENOENT') throw error
    }
  }

  async #missing(digests: Iterable<Digest>): Promise<number> {
    let missing = 0
    for (const digest of digests) if ((await this.#init.store.stat(digest)) === undefined) missing++
    return missing
  }
}
