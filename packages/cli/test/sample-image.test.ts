import assert from 'node:assert/strict'
import { chmod, link, mkdir, mkdtemp, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { digestOf } from '@shoal/oci'
import { extract } from 'tar-stream'
import { formatClosingTable } from '../src/up/closing-table.ts'
import { chooseSampleFiles, SAMPLE_LAYER_BYTES } from '../src/up/sample-files.ts'
import { tarLayer } from '../src/up/tar-layer.ts'

describe('the sample image', () => {
  let root: string
  let binary: string
  let modules: string
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'shoal-test-'))
    binary = join(root, 'node')
    modules = join(root, 'node_modules')
    await writeFile(binary, 'binary', { mode: 0o755 })
    await mkdir(join(modules, '@scope', 'one', 'lib'), { recursive: true })
    await mkdir(join(modules, 'two'))
    await mkdir(join(modules, '.bin'))
    await writeFile(join(modules, '@scope', 'one', 'lib', 'index.js'), 'one')
    await writeFile(join(modules, 'two', 'empty'), '')
    await symlink('empty', join(modules, 'two', 'alias'))
    await link(binary, join(modules, 'two', 'node'))
    await symlink('../..', join(modules, 'workspace'))
  })
  afterEach(() => rm(root, { recursive: true, force: true }))

  const layers = async () => (await chooseSampleFiles(binary, modules)).map(({ entries }) => entries)
  const bytesOf = async (entries: Parameters<typeof tarLayer>[0]): Promise<Buffer> =>
    Buffer.concat(await Array.fromAsync(tarLayer(entries)))

  it('is made of the binary once, and of packages', async () => {
    const [first, second, ...others] = await layers()
    assert.deepEqual(
      first?.map(({ name }) => name),
      ['usr/local/bin/node']
    )
    assert.deepEqual(
      second?.map(({ name, kind }) => `${kind} ${name}`),
      [
        'directory app/node_modules/@scope/one',
        'directory app/node_modules/@scope/one/lib',
        'file app/node_modules/@scope/one/lib/index.js',
        'directory app/node_modules/two',
        'symlink app/node_modules/two/alias',
        'file app/node_modules/two/empty'
      ]
    )
    assert.deepEqual(others, [])
  })

  it('has several layers when there is much', async () => {
    for (const name of ['a', 'b', 'c']) {
      await mkdir(join(modules, name))
      await writeFile(join(modules, name, 'big'), '')
      await truncate(join(modules, name, 'big'), SAMPLE_LAYER_BYTES)
    }
    assert.equal((await layers()).length, 5)
    await truncate(join(modules, 'b', 'big'), 300e6)
    assert.equal((await layers()).length, 4, 'a package that is too large is left out')
  })

  it('is the same whenever the files are', async () => {
    const before = await Promise.all((await layers()).map(bytesOf))
    await utimes(join(modules, '@scope', 'one', 'lib', 'index.js'), 1, 1)
    const after = await Promise.all((await layers()).map(bytesOf))
    assert.deepEqual(
      after.map((bytes) => digestOf(bytes)),
      before.map((bytes) => digestOf(bytes))
    )
    await chmod(join(modules, '@scope', 'one', 'lib', 'index.js'), 0o755)
    assert.notDeepEqual(await Promise.all((await layers()).map(bytesOf)), before)
  })

  it('is an archive that others can read', async () => {
    const [, second = []] = await layers()
    const reader = Readable.from(tarLayer(second)).pipe(extract())
    const found: string[] = []
    for await (const entry of reader) {
      const content = (await Array.fromAsync(entry)).join('')
      found.push(`${entry.header.type} ${entry.header.name} ${entry.header.linkname ?? ''}${content}`)
    }
    assert.ok(found.includes('file app/node_modules/@scope/one/lib/index.js one'))
    assert.ok(found.includes('symlink app/node_modules/two/alias empty'))
    assert.equal(found.length, 6)
  })

  it('fails when a file has become shorter, and does not hang', async () => {
    const [first = []] = await layers()
    await writeFile(binary, 'b')
    await assert.rejects(bytesOf(first), Error)
  })
})

describe('the closing table', () => {
  it('says who got how much from whom, and what it cost the registry', () => {
    const result = (registry: number, peers: number, from: [string, number][]) => {
      return { fromRegistryBytes: registry, fromPeersBytes: peers, fromPeer: new Map(from), seconds: 1.5 }
    }
    const table = formatClosingTable(
      [
        { name: 'agent-1', peerId: 'A', result: result(40e6, 60e6, [['B', 60e6]]) },
        { name: 'agent-2', peerId: 'B', result: result(65e6, 35e6, [['A', 35e6]]) }
      ],
      100e6,
      105e6
    )
    assert.deepEqual(table.split('\n'), [
      'AGENT     TIME  FROM REGISTRY  FROM PEERS  SHARE  FROM agent-1  FROM agent-2',
      'agent-1  1.5 s        40.0 MB     60.0 MB    60%             -       60.0 MB',
      'agent-2  1.5 s        65.0 MB     35.0 MB    35%       35.0 MB             -',
      '',
      'The registry sent 105.0 MB so that 2 agents got 100.0 MB each: 1.05 times the image.',
      ''
    ])
  })
})
