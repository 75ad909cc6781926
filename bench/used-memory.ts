import { open, rm } from 'node:fs/promises'
import path from 'node:path'

const BUFFER_BYTES = 4 * 1024 * 1024
/** Stores have names and logs beside what is stored. */
const SPARE = 1.1

/**
 * Makes sure that as much free memory as `bytes` of stores take has been used before: a virtual machine whose host takes back
 * free memory pays for every page that it touches anew, up to four processor seconds for a gigabyte, and only whoever stores
 * something would pay.
 *
 * @param directory where the stores lie, in memory
 */
export async function claimMemory(bytes: number, directory: string): Promise<void> {
  const name = path.join(directory, 'claimed')
  const file = await open(name, 'w')
  try {
    const zeros = Buffer.alloc(BUFFER_BYTES)
    for (let written = 0; written < bytes * SPARE; written += zeros.length) await file.write(zeros)
  } finally {
    await file.close()
    await rm(name)
  }
}
