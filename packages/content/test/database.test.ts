import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { Database } from '../src/index.ts'
import { temporaryDirectory } from './support.ts'

const CHILD = join(import.meta.dirname, 'database-full-child.ts')

test('nothing that was acknowledged is lost when writes fail in between, and writing goes on', async (t) => {
  const directory = await temporaryDirectory(t)
  // 4096 blocks of 512 or 1024 bytes, as the shell has it: the log reaches that many times.
  const script = 'ulimit -f 4096 && exec "$0" "$1" "$2"'
  const { stderr } = await promisify(execFile)('sh', ['-c', script, process.execPath, CHILD, join(directory, 'db')])
  assert.equal(stderr, '')
})

test('writes that wait are written together, in order, and tables do not see each other', async (t) => {
  const database = await Database.open(join(await temporaryDirectory(t), 'db'))
  t.after(async () => await database.close())
  const one = database.table<number>('one', 'json')
  const two = database.table<string>('two', 'utf8')
  await Promise.all([
    database.write([one.put('k', 1), two.put('k', 'x')]),
    database.write([one.put('k', 2)], { sync: true }),
    database.write([two.del('k'), two.put('l', 'y')])
  ])
  assert.equal(await one.get('k'), 2)
  assert.equal(await two.has('k'), false)
  assert.deepEqual(await Array.fromAsync(two.entries()), [['l', 'y']])
  assert.deepEqual(await Array.fromAsync(one.keys({ gt: 'k' })), [])
})

test('a database that was closed takes nothing more', async (t) => {
  const database = await Database.open(join(await temporaryDirectory(t), 'db'))
  const table = database.table<string>('one', 'utf8')
  const last = database.write([table.put('k', 'v')])
  await database.close()
  await last
  await assert.rejects(database.write([table.put('k', 'w')]), { code: 'STORE_CLOSED' })
})
