import { createHash, type Hash } from 'node:crypto'
import { isDigest } from '@shoal/oci'
import type { SnapshotRecord } from '../metadata.ts'

/** Media type of a snapshot: lines of JSON, a header, records, and an end that tells what came before it. */
export const SNAPSHOT_MEDIA_TYPE = 'application/vnd.shoal.snapshot.v1+jsonl'
/** Longest line. A manifest may have 4 MiB, and its record lists what it refers to. */
const LINE_MAX_BYTES = 8 * 1024 * 1024
const FORMAT = 1

/** How a snapshot begins. */
export interface SnapshotHeader {
  /** When it was taken, RFC 3339. */
  readonly takenAt: string
  /** Of the registry that it was taken of. */
  readonly peerId: string
}

/** What should be a snapshot is cut short, damaged, or something else. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError'
  readonly code = 'SNAPSHOT_DAMAGED'
}

/** Writes a snapshot down, a line at a time. */
export async function* writeSnapshot(
  header: SnapshotHeader,
  records: AsyncIterable<SnapshotRecord>
): AsyncGenerator<string, void, void> {
  const hash = createHash('sha256')
  let count = 0
  const line = (value: object): string => {
    const text = `${JSON.stringify(value)}\n`
    hash.update(text)
    return text
  }
  yield line({ kind: 'snapshot', format: FORMAT, ...header })
  for await (const record of records) {
    count++
    yield line(record)
  }
  yield `${JSON.stringify({ kind: 'end', records: count, sha256: hash.digest('hex') })}\n`
}

/**
 * Reads a snapshot: its header first, then its records. Whoever acts on records before the end has come acts on what may
 * turn out to be damaged.
 *
 * @throws SnapshotError
 */
export async function* readSnapshot(
  bytes: AsyncIterable<Uint8Array>
): AsyncGenerator<SnapshotHeader | SnapshotRecord, void, void> {
  const hash = createHash('sha256')
  let [count, isOver] = [-1, false]
  for await (const line of lines(bytes)) {
    if (isOver) throw new SnapshotError('the snapshot goes on behind its end')
    const value = parsed(line)
    if (value.kind === 'end') {
      checkEnd(value, count, hash)
      isOver = true
      continue
    }
    hash.update(line).update('\n')
    yield count++ < 0 ? headerOf(value) : recordOf(value)
  }
  if (!isOver) throw new SnapshotError('the snapshot is cut short')
}

async function* lines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, void> {
  let [pieces, length]: [Uint8Array[], number] = [[], 0]
  for await (const piece of bytes) {
    let rest = piece
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      yield Buffer.concat([...pieces, rest.subarray(0, end)]).toString('utf8')
      pieces = []
      length = 0
      rest = rest.subarray(end + 1)
    }
    if (rest.length === 0) continue
    length += rest.length
    if (length > LINE_MAX_BYTES) throw new SnapshotError('a line of the snapshot is too long')
    pieces.push(Uint8Array.from(rest))
  }
  if (length > 0) throw new SnapshotError('the snapshot is cut short')
}

function parsed(line: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    throw new SnapshotError('a line of the snapshot is not JSON', { cause })
  }
  if (typeof value !== 'object' || value === null) throw new SnapshotError('a line of the snapshot is no record')
  return { ...value }
}

function headerOf({ kind, format, takenAt, peerId }: Record<string, unknown>): SnapshotHeader {
  if (kind !== 'snapshot' || typeof takenAt !== 'string' || typeof peerId !== 'string') {
    throw new SnapshotError('this is no snapshot of a registry')
  }
  if (format !== FORMAT) throw new SnapshotError(`the snapshot has the format ${String(format)}; this version reads 1`)
  return { takenAt, peerId }
}

function checkEnd({ records, sha256 }: Record<string, unknown>, count: number, hash: Hash): void {
  if (records !== count || sha256 !== hash.digest('hex')) throw new SnapshotError('the snapshot is damaged')
}

function recordOf(value: Record<string, unknown>): SnapshotRecord {
  if (!isRecord(value)) throw new SnapshotError('the snapshot has a record that this version does not know')
  return value
}

function isRecord(value: Record<string, unknown>): value is SnapshotRecord & Record<string, unknown> {
  const { kind, repository, digest, size, manifest, references, tag } = value
  if (typeof repository !== 'string' || repository === '') return false
  if (kind === 'repository') return true
  if (kind === 'blob') return isDigestText(digest) && typeof size === 'number'
  if (kind === 'manifest') return isNamed(manifest) && Array.isArray(references) && references.every(isDigestText)
  return kind === 'tag' && isNamed(tag) && typeof Reflect.get(tag, 'tag') === 'string'
}

function isNamed(value: unknown): value is object {
  return typeof value === 'object' && value !== null && isDigestText(Reflect.get(value, 'digest'))
}

function isDigestText(value: unknown): boolean {
  return typeof value === 'string' && isDigest(value)
}
