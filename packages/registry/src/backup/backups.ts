import { randomUUID } from 'node:crypto'
import type { Clock } from '@shoal/swarm'
import type { Collector } from '../gc/collector.ts'
import type { Metadata, MetadataSnapshot } from '../metadata.ts'

/** A backup that nobody asks anything of for this time is given up. */
export const BACKUP_IDLE_MS = 5 * 60_000
/** Backups at a time. Each keeps a state of the metadata that the database cannot compact away. */
export const MAX_BACKUPS = 4

/** What backups need. */
export interface BackupsInit {
  readonly metadata: Pick<Metadata, 'snapshot'>
  readonly collector: Pick<Collector, 'hold'>
  readonly clock: Clock
}

interface Backup {
  readonly snapshot: MetadataSnapshot
  readonly release: () => Promise<void>
  users: number
  stopIdle: () => void
}

/**
 * Backups that somebody fetches: each is one instant of the metadata, and as long as there is one no blob is collected, so
 * that whatever the snapshot names can be fetched.
 */
export class Backups {
  readonly #init: BackupsInit
  readonly #backups = new Map<string, Backup>()
  #opening = 0

  constructor(init: BackupsInit) {
    this.#init = init
  }

  /** Begin one. @returns its name; undefined when there are too many */
  async open(): Promise<string | undefined> {
    const { collector, metadata } = this.#init
    if (this.#backups.size + this.#opening >= MAX_BACKUPS) return undefined
    this.#opening++
    try {
      // First nothing is removed any more, then the instant.
      const release = await collector.hold()
      try {
        const backup = { snapshot: await metadata.snapshot(), release, users: 0, stopIdle: () => undefined }
        const id = randomUUID()
        this.#backups.set(id, backup)
        this.#rest(id, backup)
        return id
      } catch (error) {
        await release()
        throw error
      }
    } finally {
      this.#opening--
    }
  }

  has(id: string): boolean {
    return this.#backups.has(id)
  }

  /** Do something with a backup, which is not given up meanwhile. @returns undefined when there is no such backup */
  async use<T>(id: string, work: (snapshot: MetadataSnapshot) => Promise<T>): Promise<T | undefined> {
    const backup = this.#backups.get(id)
    if (backup === undefined) return undefined
    backup.users++
    backup.stopIdle()
    try {
      return await work(backup.snapshot)
    } finally {
      backup.users--
      if (backup.users === 0 && this.has(id)) this.#rest(id, backup)
    }
  }

  /** End one. @returns whether there was one */
  async close(id: string): Promise<boolean> {
    const backup = this.#backups.get(id)
    if (backup === undefined) return false
    this.#backups.delete(id)
    backup.stopIdle()
    await backup.snapshot.close()
    await backup.release()
    return true
  }

  /** End all. */
  async closeAll(): Promise<void> {
    for (const id of [...this.#backups.keys()]) await this.close(id)
  }

  #rest(id: string, backup: Backup): void {
    backup.stopIdle = this.#init.clock.after(BACKUP_IDLE_MS, () => void this.close(id))
  }
}
