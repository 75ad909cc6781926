import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { temporaryDirectory } from './support.ts'

const CHILD = join(import.meta.dirname, 'store-full-child.ts')

test('a file that may not grow is a full store: a clear error, nothing half stored, and small blobs still fit', async (t) => {
  const directory = await temporaryDirectory(t)
  // 4096 blocks of 512 or 1024 bytes, as the shell has it: less than the child wants in both cases.
  const script = 'ulimit -f 4096 && exec "$0" "$1" "$2"'
  const { stderr } = await promisify(execFile)('sh', ['-c', script, process.execPath, CHILD, directory])
  assert.equal(stderr, '')
})
