import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { FreeSpace } from '../src/free-space.ts'

const MORE_THAN_ANY_DISK = 2 ** 52

test('space is given until it would touch the reserve, and again afterwards', async () => {
  const space = new FreeSpace(tmpdir())
  await space.claim(1)
  await assert.rejects(space.claim(MORE_THAN_ANY_DISK), { code: 'STORE_FULL' })
  await space.claim(1)
  await Promise.all(Array.from({ length: 10 }, async () => await space.claim(1)))
})
