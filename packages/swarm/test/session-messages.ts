/** How a registry under test can be reached, as it tells the process that started it. */
export interface RegistryReady {
  readonly authority: string
  readonly addresses: readonly string[]
  /** The join token's secret in base64. */
  readonly secret: string
}

/** What a process has used. */
export interface Usage {
  /** Resident bytes. */
  readonly rss: number
  /** Processor time since its start, seconds. */
  readonly cpu: number
  /** Agents that are linked. */
  readonly links: number
}
