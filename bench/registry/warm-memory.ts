import { existsSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { claimMemory } from '../used-memory.ts'
import type { Cell, Subject } from './cells.ts'

/** Whatever the store lies on, what is pushed is in memory first. */
const MEMORY_DIRECTORY = '/dev/shm'
/** Most that is claimed: more than any cell writes within its time, bytes. */
const WARM_MAX_BYTES = 6e9

/** Before a push, make sure that it finds memory that was used before. */
export async function warmMemory({ size }: Subject, { count, kind }: Cell): Promise<void> {
  if (kind !== 'push-blobs' || !existsSync(MEMORY_DIRECTORY)) return
  const { bavail, bsize } = await statfs(MEMORY_DIRECTORY)
  await claimMemory(Math.min(size * count, WARM_MAX_BYTES, (bavail * bsize) / 2), MEMORY_DIRECTORY)
}
