import { closeSync, fsync, openSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { unlink } from 'node:fs/promises'
import { promisify } from 'node:util'
import { StoreFullError } from './errors.ts'

/** What the system says when a disk, a quota or the largest allowed file is full. */
const FULL_CODES = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** The same in words. */
const FULL_WORDS = ['No space left on device', 'Disk quota exceeded', 'File too large']

const syncDescriptor = promisify(fsync)

/** Write all of `bytes` at `position`. @throws StoreFullError when there is no space left. */
export async function writeFully(file: FileHandle, bytes: Uint8Array, position: number, where: string): Promise<void> {
  try {
    let done = 0
    while (done < bytes.length) {
      const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done)
      done += bytesWritten
    }
  } catch (error) {
    throw storeError(error, where)
  }
}

/** Read until `target` is full or the file ends, and say how many bytes it was. */
export async function readFully(file: FileHandle, target: Uint8Array, position: number): Promise<number> {
  let done = 0
  while (done < target.length) {
    const { bytesRead } = await file.read(target, done, target.length - done, position + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return done
}

/** Make the names in a directory durable: a rename is only safe from a power cut after this. */
export async function syncDirectory(path: string): Promise<void> {
  // Only the sync waits for the disk: whoever makes a name durable has just made it, so that the directory is in memory.
  const directory = openSync(path, 'r')
  try {
    await syncDescriptor(directory)
  } finally {
    closeSync(directory)
  }
}

/** Remove a file, if it is there. */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}

/** The error to throw for a failed operation on a file or on the database: a full disk has its own. */
export function storeError(error: unknown, where: string): unknown {
  return isFull(error) ? new StoreFullError(where, { cause: error }) : error
}

function isFull(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof StoreFullError) return false
  // LevelDB passes on the system's words, but not its code.
  const text = FULL_WORDS.some((words) => error.message.includes(words))
  return text || FULL_CODES.has(errorCode(error) ?? '') || isFull(error.cause)
}

/** The code of a system error, if it is one. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
