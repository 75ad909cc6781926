import type { Digest } from '@shoal/oci'
import { isDigest } from '@shoal/oci'
import { Level } from 'level'

interface StoredTag {
  readonly digest: string
  readonly seenAtMs: number
}

/** What a tag last stood for. */
export interface KnownTag {
  readonly digest: Digest
  /** Milliseconds since the epoch. */
  readonly seenAtMs: number
}

/** Remembers on disk what each tag stood for when the registry was last asked, for when it cannot be. */
export class TagMemory {
  readonly #level: Level<string, StoredTag>

  private constructor(level: Level<string, StoredTag>) {
    this.#level = level
  }

  static async open(directory: string): Promise<TagMemory> {
    const level = new Level<string, StoredTag>(directory, { valueEncoding: 'json' })
    await level.open()
    return new TagMemory(level)
  }

  async get(repository: string, tag: string): Promise<KnownTag | undefined> {
    const stored = await this.#level.get(`${repository}:${tag}`)
    if (stored === undefined || !isDigest(stored.digest)) return undefined
    return { digest: stored.digest, seenAtMs: stored.seenAtMs }
  }

  async set(repository: string, tag: string, known: KnownTag): Promise<void> {
    await this.#level.put(`${repository}:${tag}`, known)
  }

  async delete(repository: string, tag: string): Promise<void> {
    await this.#level.del(`${repository}:${tag}`)
  }

  async close(): Promise<void> {
    await this.#level.close()
  }
}
