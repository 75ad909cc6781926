import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { makeDirectories } from '../src/files.ts'

it('makes folders that others make at the same moment, and none where there can be none', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-files-'))
  t.after(() => rm(folder, { recursive: true }))
  for (let round = 0; round < 100; round++) {
    const paths = Array.from({ length: 4 }, (_, i) => join(folder, `${round}`, 'a', `${i}`))
    await Promise.all(paths.map(async (path) => await makeDirectories(path)))
    for (const path of paths) assert.ok((await stat(path)).isDirectory())
  }
  await writeFile(join(folder, 'file'), '')
  await assert.rejects(makeDirectories(join(folder, 'file')), { code: 'EEXIST' })
  await assert.rejects(makeDirectories(join(folder, 'file', 'below')), { code: 'ENOTDIR' })
  await assert.rejects(makeDirectories('/proc/shoal/below'))
})
