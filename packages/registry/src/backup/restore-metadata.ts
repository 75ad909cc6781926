import { join } from 'node:path'
import { LevelMetadata } from '../level-metadata.ts'
import type { SnapshotRecord } from '../metadata.ts'
import { adoptSnapshot } from './adopt-snapshot.ts'

/**
 * Makes the metadata in a registry's data folder what a snapshot says, while no registry runs there.
 *
 * @param directory the data folder; made when it is missing
 * @throws MetadataOpenError, and what the records throw
 */
export async function restoreMetadata(directory: string, records: AsyncIterable<SnapshotRecord>): Promise<void> {
  const metadata = await LevelMetadata.open(join(directory, 'metadata'))
  try {
    await adoptSnapshot(metadata, records)
  } finally {
    await metadata.close()
  }
}
