// Run by database.test.ts with a low limit on the size of files: `database-full-child.ts DIRECTORY`.
import assert from 'node:assert/strict'
import { Database } from '../src/index.ts'

const [directory = ''] = process.argv.slice(2)
const VALUE = 'v'.repeat(20_000)
const LAST = 400

const database = await Database.open(directory)
const table = database.table<string>('things', 'utf8')
const acknowledged: string[] = []
let refused = 0
for (let n = 0; n < LAST; n++) {
  // Several at a time: one that comes after a failed one must not be acknowledged and lost.
  const keys = [`${n}a`, `${n}b`, `${n}c`]
  const writes = keys.map(async (key) => await database.write([table.put(key, VALUE)], { sync: key.endsWith('a') }))
  const results = await Promise.allSettled(writes)
  for (const [at, result] of results.entries()) {
    if (result.status === 'fulfilled') acknowledged.push(keys[at] ?? '')
    else {
      refused++
      assert.equal(result.reason.code, 'STORE_FULL', String(result.reason))
    }
  }
  assert.ok(await table.has('0a'), 'what is there can be read all the time')
}
assert.ok(refused > 0, 'the limit was never reached: the test proves nothing')
assert.ok(acknowledged.length > LAST, `${acknowledged.length} acknowledged, ${refused} refused`)
await database.close()

const again = await Database.open(directory)
const found = again.table<string>('things', 'utf8')
for (const key of acknowledged) assert.equal(await found.get(key), VALUE, `${key} is lost`)
await again.close()
