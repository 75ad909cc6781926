import { randomUUID } from 'node:crypto'
import { closeSync, existsSync, openSync, statfsSync, unlinkSync, writeSync } from 'node:fs'
import path from 'node:path'
import type { Cell, Subject } from './cells.ts'

const MEMORY_DIRECTORY = '/dev/shm'
const BLOCK = Buffer.alloc(4 * 1024 * 1024, 1)
/** Most that is touched: more than any cell writes within its time. */
const WARM_MAX_BYTES = 6e9
/** Room for what the cell needs beside its payload. */
const WARM_EXTRA = 1.2

/**
 * Touch as much memory as a cell is going to write. In a virtual machine, memory that nobody used for a while belongs to
 * the host, and its first touch costs up to three CPU-seconds per GB: whoever is measured first would pay for it. The
 * memory of a registry that has run for weeks is all in use, as page cache.
 */
export function warmMemory({ size }: Subject, { count, kind }: Cell): void {
  if (kind !== 'push-blobs' || !existsSync(MEMORY_DIRECTORY)) return
  const { bavail, bsize } = statfsSync(MEMORY_DIRECTORY)
  const bytes = Math.min(size * count * WARM_EXTRA, WARM_MAX_BYTES, (bavail * bsize) / 2)
  const name = path.join(MEMORY_DIRECTORY, `shoal-bench-${randomUUID()}`)
  const file = openSync(name, 'wx')
  try {
    // Without a name, it is gone however this process ends.
    unlinkSync(name)
    for (let left = bytes; left > 0; left -= BLOCK.length) writeSync(file, BLOCK)
  } finally {
    closeSync(file)
  }
}
