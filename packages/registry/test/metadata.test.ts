import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it, type TestContext } from 'node:test'
import { digestOf } from '@shoal/oci'
import { LevelMetadata } from '../src/level-metadata.ts'
import { MemoryMetadata } from '../src/memory-metadata.ts'
import { metadataContract } from './metadata-contract.ts'

async function directory(t: TestContext): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'shoal-metadata-'))
  t.after(async () => await rm(made, { recursive: true, force: true }))
  return made
}

metadataContract('memory', async () => new MemoryMetadata())

metadataContract('level', async (t) => {
  const metadata = await LevelMetadata.open(join(await directory(t), 'new', 'metadata'))
  t.after(async () => await metadata.close())
  return metadata
})

it('level metadata is still there after a restart', async (t) => {
  const path = await directory(t)
  const digest = digestOf(Buffer.from('x'))
  const first = await LevelMetadata.open(path)
  await first.linkBlob('app', digest, 1)
  await first.close()
  const second = await LevelMetadata.open(path)
  t.after(async () => await second.close())
  assert.equal(await second.hasBlob('app', digest), true)
})

it('level metadata that is in use says so', async (t) => {
  const path = await directory(t)
  const first = await LevelMetadata.open(path)
  t.after(async () => await first.close())
  await assert.rejects(LevelMetadata.open(path), { code: 'METADATA_OPEN' })
})
