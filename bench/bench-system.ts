import type { NetworkNode } from '../test/harness/namespaces.ts'

/** What a system under measurement runs on. */
export interface BenchSite {
  /** Holds the blob in the beginning; its link is the one that is scarce. */
  readonly seed: NetworkNode
  readonly nodes: readonly NetworkNode[]
  /** Makes a directory of this name for a process's files. */
  directory(name: string): string
}

/** What is fetched: a file of random bytes. */
export interface BenchBlob {
  readonly file: string
  readonly digest: string
  readonly size: number
}

/** A system that brings a blob from the seed to the nodes. A further one is one more file like those in `systems/`. */
export interface BenchSystem {
  readonly name: string
  /** One line for the report: what runs where. */
  readonly description: string
  /** Starts it on the site, and waits until all of it is ready. */
  start(site: BenchSite): Promise<RunningSystem>
}

/** A system that is up. Whatever is left of it ends with the site's workspace. */
export interface RunningSystem {
  /** Every process whose processor time it costs. */
  readonly pids: readonly number[]
  /** Makes the blob available, without touching the seed's link. */
  publish(blob: BenchBlob): Promise<void>
  /** Where a process on this node GETs the blob. */
  blobUrl(node: NetworkNode, blob: BenchBlob): string
}
