import type { Digest } from '@shoal/oci'
import type { BlobSwarm } from './blob-swarm.ts'

/**
 * Blobs that a process knows the swarms of because peers want them; beyond that the one asked for longest ago is left, and its peers are
 * told so.
 */
export const MAX_SWARMS = 8_192

/** The swarms of a process, the one that peers asked for longest ago first. */
export class SwarmList {
  readonly #swarms = new Map<Digest, BlobSwarm>()

  get size(): number {
    return this.#swarms.size
  }

  get(digest: Digest): BlobSwarm | undefined {
    return this.#swarms.get(digest)
  }

  /** Adds a swarm, or makes one that is here the last to be left. */
  add(swarm: BlobSwarm): void {
    this.#swarms.delete(swarm.digest)
    this.#swarms.set(swarm.digest, swarm)
  }

  /** @returns whether it was here */
  remove(swarm: BlobSwarm): boolean {
    return this.#swarms.get(swarm.digest) === swarm && this.#swarms.delete(swarm.digest)
  }

  values(): BlobSwarm[] {
    return [...this.#swarms.values()]
  }

  /** The one to be left because there are too many; undefined when there are not. */
  surplus(mayLeave: (swarm: BlobSwarm) => boolean): BlobSwarm | undefined {
    return this.#swarms.size > MAX_SWARMS ? this.#swarms.values().find(mayLeave) : undefined
  }

  clear(): void {
    this.#swarms.clear()
  }
}
