/** What a `WWW-Authenticate` header asks for (RFC 9110, 11.6.1). */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string
  readonly parameters: Readonly<Record<string, string>>
}

/** Reads the first challenge of a header that is one we can meet. */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  if (header === undefined) return undefined
  for (const scheme of ['Bearer', 'Basic']) {
    const at = new RegExp(`(?:^|,)\\s*${scheme}\\b`, 'i').exec(header)
    if (at === null) continue
    const parameters: Record<string, string> = {}
    const text = header.slice(at.index + at[0].length)
    for (const [, name, quoted, plain] of text.matchAll(/([a-zA-Z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g)) {
      if (name !== undefined) parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? plain ?? ''
    }
    return { scheme: scheme.toLowerCase(), parameters }
  }
  return undefined
}
