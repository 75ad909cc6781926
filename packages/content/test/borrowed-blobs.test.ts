import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { ContentStore } from '@shoal/content'
import { digestHex, digestOf } from '@shoal/oci'

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

it('reads the blobs that another process keeps, sees what comes and goes, and changes nothing', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-borrowed-'))
  const owner = await ContentStore.open({ directory: join(folder, 'owner') })
  const add = async () => {
    const bytes = randomBytes(1000)
    const ingest = await owner.ingest({ size: bytes.length })
    await ingest.append(once(bytes))
    await ingest.finish(digestOf(bytes))
    return digestOf(bytes)
  }
  const [first, second] = [await add(), await add()]
  const borrower = await ContentStore.open({ directory: join(folder, 'own'), blobs: join(folder, 'owner', 'blobs') })
  t.after(async () => {
    await borrower.close()
    await owner.close()
    await rm(folder, { recursive: true })
  })
  assert.deepEqual(await borrower.stat(first), { digest: first, size: 1000 })
  const source = await borrower.open(first)
  const read = Buffer.alloc(1000)
  assert.equal(await source?.read(read, 0), 1000)
  await source?.close()
  assert.equal(digestOf(read), first)

  const [added, removed]: [string[], string[]] = [[], []]
  borrower.onAdded(({ digest }) => added.push(digest))
  borrower.onRemoved(({ digest }) => removed.push(digest))
  const third = await add()
  await owner.delete(first)
  await borrower.refresh()
  assert.deepEqual([added, removed], [[third], [first]])
  assert.deepEqual(borrower.usage, { bytes: 2000, blobs: 2 })

  await assert.rejects(borrower.delete(second), { code: 'BLOBS_BORROWED' })
  const own = Buffer.from('of its own')
  const ingest = await borrower.ingest()
  await ingest.append(once(own))
  await assert.rejects(ingest.finish(digestOf(own)), { code: 'BLOBS_BORROWED' })
  // In a store of its own a file that changed its size is thrown away.
  const file = join(folder, 'owner', 'blobs', 'sha256', digestHex(second).slice(0, 2), digestHex(second))
  await truncate(file, 10)
  await borrower.refresh()
  assert.ok((await readdir(join(file, '..'))).includes(digestHex(second)))
})
