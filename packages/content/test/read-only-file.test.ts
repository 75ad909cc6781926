import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ReadOnlyFile } from '../src/read-only-file.ts'
import { ReadPace } from '../src/read-pace.ts'

/** Has found the disk slow for good. */
class SlowPace extends ReadPace {
  override mayWait(): boolean {
    return false
  }
}

describe('a file to read from', () => {
  let directory = ''
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'shoal-test-'))
    await writeFile(join(directory, 'ten'), '0123456789')
    await writeFile(join(directory, 'other'), 'abcdefghij')
  })
  after(async () => await rm(directory, { recursive: true }))

  for (const [where, pace] of [
    ['on the main thread', new ReadPace(() => 0)],
    ['elsewhere', new SlowPace()]
  ] as const) {
    it(`is read ${where}`, async () => {
      const file = await ReadOnlyFile.open(join(directory, 'ten'), pace)
      const bytes = Buffer.alloc(4)
      assert.equal(await file.read(bytes, 3), 4)
      assert.equal(bytes.toString(), '3456')
      assert.equal(await file.read(bytes, 8), 2)
      assert.equal(await file.read(bytes, 10), 0)
      await file.close()
      await file.close()
      await assert.rejects(file.read(bytes, 0), /closed/)
      await assert.rejects(ReadOnlyFile.open(join(directory, 'none'), pace), { code: 'ENOENT' })
    })
  }

  it('is not closed under a read, whose descriptor could be another file by then', async () => {
    const file = await ReadOnlyFile.open(join(directory, 'ten'), new SlowPace())
    const bytes = Buffer.alloc(10)
    const events: string[] = []
    const reading = file.read(bytes, 0).then(() => events.push('read'))
    const closing = file.close().then(() => events.push('closed'))
    await Promise.all([reading, closing])
    assert.deepEqual(events, ['read', 'closed'])
    assert.equal(bytes.toString(), '0123456789')
  })
})
