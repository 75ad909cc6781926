import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CommandError, errorCode } from '../errors.ts'

/** There while a data folder is being restored: it holds the snapshot, and nobody may start a registry on it. */
export const RESTORING_FILE = 'restoring'

/** @throws CommandError when a restore into a data folder did not come to its end */
export async function assertRestored(data: string): Promise<void> {
  try {
    await stat(join(data, RESTORING_FILE))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return
    throw error
  }
  throw new CommandError(`a restore into ${data} did not come to its end: empty it, and restore again`)
}
