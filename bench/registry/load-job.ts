/** Work for a load process: the same kind of request over and over, so many at a time. */
export interface LoadJob {
  readonly host: string
  readonly port: number
  readonly repository: string
  readonly kind: LoadKind
  /** Requests under way at a time, each on a connection of its own. */
  readonly concurrency: number
  /** Requests in all. */
  readonly count: number
  /** What has not come to its end by then is cut off, and its bytes count nevertheless. */
  readonly budgetMs: number
  /** Size of the blobs, bytes. */
  readonly size: number
  /** Tells the contents of one job from those of every other. */
  readonly salt: string
}

/** A pull asks for what a push with the same salt brought. Manifests are pulled by their tags. */
export type LoadKind = 'pull-blobs' | 'pull-manifests' | 'push-blobs' | 'push-manifests'

/** What came of a job. */
export interface LoadResult {
  /** From the first request to the end of the last. */
  readonly seconds: number
  /** Payload, of cut requests too. */
  readonly bytes: number
  readonly completed: number
  /** Of the requests that came to their end; a push is all its requests together. */
  readonly latenciesMs: readonly number[]
  /** What the load process itself cost. */
  readonly clientCpuSeconds: number
}
