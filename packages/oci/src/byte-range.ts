/** Bytes from `start` up to, not including, `end`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

const SPEC = /^bytes=(\d*)-(\d*)$/

/**
 * Reads a `Range` header (RFC 9110, 14.2) for a representation of `size` bytes: `a-b`, `a-` and `-n`. Anything else,
 * several ranges included, may be ignored by a server and gives `whole`.
 */
export function parseByteRange(header: string | undefined, size: number): ByteRange | 'whole' | 'unsatisfiable' {
  const [, first, last] = SPEC.exec(header?.trim() ?? '') ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return 'whole'
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size }
  }
  const start = Number(first)
  const end = last === '' ? size : Math.min(Number(last) + 1, size)
  return start >= end ? 'unsatisfiable' : { start, end }
}

/** The `Content-Range` of an answer with these bytes. */
export function formatContentRange(range: ByteRange, size: number): string {
  return `bytes ${range.start}-${range.end - 1}/${size}`
}

/** What a `Content-Range` header says; undefined when it says nothing usable. */
export function parseContentRange(
  header: string | undefined
): { range: ByteRange; size: number | undefined } | undefined {
  const [, first, last, size] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(header?.trim() ?? '') ?? []
  if (first === undefined || last === undefined || Number(last) < Number(first)) return undefined
  const range = { start: Number(first), end: Number(last) + 1 }
  return { range, size: size === undefined || size === '*' ? undefined : Number(size) }
}
