/** One value as a source gave it, before it is read. */
export interface GivenValue {
  /** Where it stands, for messages: `--listen`, `SHOAL_LISTEN`, `shoal.yaml: listen`. */
  readonly key: string
  readonly text: string
}

/** What one source gives, by the names of options. */
export type Given = ReadonlyMap<string, readonly GivenValue[]>
