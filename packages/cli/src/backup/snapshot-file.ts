import type { Digest } from '@shoal/oci'
import { readSnapshot, SnapshotError, type SnapshotRecord } from '@shoal/registry'
import { CommandError } from '../errors.ts'

/** The records of a snapshot. @throws CommandError when it is damaged */
export async function* recordsOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<SnapshotRecord, void, void> {
  try {
    for await (const record of readSnapshot(bytes)) if ('kind' in record) yield record
  } catch (cause) {
    if (!(cause instanceof SnapshotError)) throw cause
    throw new CommandError(`${cause.message}; make another backup, or restore another one`, { cause })
  }
}

/** All blobs and manifests that a snapshot names, with their sizes in bytes. @throws CommandError when it is damaged */
export async function blobsOf(bytes: AsyncIterable<Uint8Array>): Promise<Map<Digest, number>> {
  const blobs = new Map<Digest, number>()
  for await (const record of recordsOf(bytes)) {
    if (record.kind === 'blob') blobs.set(record.digest, record.size)
    if (record.kind === 'manifest') blobs.set(record.manifest.digest, record.manifest.size)
  }
  return blobs
}
