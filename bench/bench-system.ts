import type { NetworkNode } from '../test/harness/namespaces.ts'

/** What a system under measurement runs on. */
export interface BenchSite {
  /** Holds the image in the beginning; its link is the one that is scarce. */
  readonly seed: NetworkNode
  readonly nodes: readonly NetworkNode[]
  /** Makes a directory of this name for a process's files. */
  directory(name: string): string
}

/** A file that is served under its digest. */
export interface BenchBlob {
  readonly file: string
  readonly digest: string
  readonly size: number
  readonly mediaType: string
}

/** What is pulled: an OCI image whose layers are random bytes. */
export interface BenchImage {
  readonly manifest: BenchBlob
  readonly config: BenchBlob
  readonly layers: readonly BenchBlob[]
  /** Bytes of all layers. */
  readonly size: number
}

/** A process whose processor time and memory the system costs. */
export interface BenchProcess {
  /** What it is, whatever the node: `registry`, `agent`, `nginx`. */
  readonly role: string
  readonly node: NetworkNode
  readonly pid: number
}

/** A system that brings an image from the seed to the nodes. A further one is one more file like those in `systems/`. */
export interface BenchSystem {
  readonly name: string
  /** One line for the report: what runs where. */
  readonly description: string
  /** Whether nodes have the image from each other: only then can a pull outlive the registry. */
  readonly peerToPeer: boolean
  /** Processor seconds per GB delivered, roughly: what the estimate of a run's time starts from. */
  readonly roughCpuSecondsPerGB: number
  /** Starts it on the site, and waits until all of it is ready. */
  start(site: BenchSite): Promise<RunningSystem>
}

/** A system that is up. Whatever is left of it ends with the site. */
export interface RunningSystem {
  readonly processes: readonly BenchProcess[]
  /** Makes the image available, without touching the seed's link. */
  publish(image: BenchImage): Promise<void>
  /** Where a process on this node finds the image: `BASE/manifests/DIGEST` and `BASE/blobs/DIGEST`. */
  base(node: NetworkNode): string
}
