/** One line of JSON to the client: what to pull. */
export interface PullCommand {
  /** `BASE/manifests/DIGEST` and `BASE/blobs/DIGEST`. */
  readonly base: string
  /** Asked for first; undefined when the blobs are known already. */
  readonly manifest: string | undefined
  readonly blobs: readonly { readonly digest: string; readonly size: number }[]
  /** How many blobs at a time. */
  readonly parallel: number
  /** Whether to hash what comes, and to refuse what is wrong. */
  readonly verify: boolean
  /** Ask and do not read: whatever stands behind the address is to fetch the blobs for itself. */
  readonly stall: boolean
}

/** One line of JSON from the client: how it went. */
export type PullAnswer = PullFigures | { readonly error: string }

/** What the client measured. Seconds count from the arrival of the command. */
export interface PullFigures {
  readonly seconds: number
  /** Until the manifest was there. */
  readonly manifestSeconds: number
  /** From the request of the first layer to its first byte. */
  readonly firstByteSeconds: number
  /** The client's own processor time. */
  readonly cpuSeconds: number
}
