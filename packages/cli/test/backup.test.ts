import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Digest, digestOf } from '@shoal/oci'
import { silentLogger } from '@shoal/swarm'
import { blobName, LOCK_NAME, SNAPSHOT_NAME } from '../src/backup/backup-layout.ts'
import { RESTORING_FILE } from '../src/backup/restoring.ts'
import { type RegistryProcess, startRegistry } from '../src/compose/registry-process.ts'
import { MANIFEST_TYPE, runShoal } from './support.ts'

const LOOPBACK = { host: '127.0.0.1', port: 0 }

describe('shoal backup and shoal restore', () => {
  let folder: string
  let data: string
  let registry: RegistryProcess
  let url: string
  let layer: Digest

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shoal-backup-test-'))
    data = join(folder, 'registry')
    registry = await start(data)
    url = `http://127.0.0.1:${registry.address.port}`
    layer = await push('v1')
  })

  after(async () => {
    await registry.stop()
    await rm(folder, { recursive: true, force: true })
  })

  async function start(directory: string): Promise<RegistryProcess> {
    return await startRegistry({
      directory,
      listen: LOOPBACK,
      p2pListen: LOOPBACK,
      lane: { listen: LOOPBACK, encryption: 'tls' },
      adminListen: LOOPBACK,
      anonymous: 'pull',
      zone: '',
      uploadRate: undefined,
      logger: silentLogger
    })
  }

  async function ask(method: string, path: string, body?: Uint8Array<ArrayBuffer>, type?: string): Promise<Response> {
    const authorization = `Basic ${Buffer.from(`admin:${registry.adminPassword}`).toString('base64')}`
    const headers = { authorization, ...(type === undefined ? {} : { 'content-type': type }) }
    return await fetch(url + path, { method, headers, ...(body === undefined ? {} : { body }) })
  }

  /** Pushes an image. @returns the digest of its layer, which has several chunks */
  async function push(tag: string): Promise<Digest> {
    const blobs = [Uint8Array.from(Buffer.from(`{"tag":"${tag}"}`)), Uint8Array.from(randomBytes(3_000_000))]
    const descriptors = blobs.map((bytes) => ({
      mediaType: 'application/x',
      digest: digestOf(bytes),
      size: bytes.length
    }))
    for (const bytes of blobs) {
      assert.equal((await ask('POST', `/v2/app/blobs/uploads/?digest=${digestOf(bytes)}`, bytes)).status, 201)
    }
    const [config, content] = descriptors
    const text = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST_TYPE, config, layers: [content] })
    const put = await ask('PUT', `/v2/app/manifests/${tag}`, Uint8Array.from(Buffer.from(text)), MANIFEST_TYPE)
    assert.equal(put.status, 201)
    assert.ok(content)
    return content.digest
  }

  async function backUp(output: string, signal?: AbortSignal): ReturnType<typeof runShoal> {
    const files = { [join(data, 'admin-password')]: registry.adminPassword }
    return await runShoal(['backup', '--registry', url, '--data', data, '--output', output], {
      files,
      ...(signal === undefined ? {} : { signal })
    })
  }

  /** A backup that is done. */
  async function backedUp(name: string): Promise<string> {
    const output = join(folder, name)
    const { code, stderr } = await backUp(output)
    assert.equal(code, 0, stderr)
    return output
  }

  async function assertNotRestored(from: string, reason: RegExp): Promise<void> {
    const target = await mkdtemp(join(folder, 'target-'))
    const { code, stderr } = await runShoal(['restore', '--from', from, '--data', target])
    assert.equal(code, 1)
    assert.match(stderr, reason)
    assert.deepEqual(await readdir(target), [])
  }

  async function assertRestores(from: string): Promise<void> {
    const target = await mkdtemp(join(folder, 'target-'))
    const { code, stderr } = await runShoal(['restore', '--from', from, '--data', target])
    assert.equal(code, 0, stderr)
    const restored = await start(target)
    try {
      assert.equal(restored.peerId, registry.peerId)
      const base = `http://127.0.0.1:${restored.address.port}`
      const blob = await fetch(`${base}/v2/app/blobs/${layer}`)
      assert.equal(digestOf(await blob.bytes()), layer)
      const [mine, theirs] = await Promise.all(
        [url, base].map(async (at) => await fetch(`${at}/api/v1/chunk-maps/${layer}`))
      )
      assert.ok(mine && theirs)
      assert.deepEqual(await theirs.bytes(), await mine.bytes())
    } finally {
      await restored.stop()
    }
  }

  it('bring back what was there, with the identity, from a folder and from an archive', async () => {
    await assertRestores(await backedUp('plain'))
    await assertRestores(await backedUp('plain.tar'))
  })

  it('fetch only what is new, and remove what is not named any more', async () => {
    const output = await backedUp('again')
    assert.match((await backUp(output)).stderr, /3 blobs, 3\.0 MB; 0 of them/)
    const passing = await push('passing')
    assert.match((await backUp(output)).stderr, /6 blobs, 6\.0 MB; 3 of them/)
    assert.ok((await readFile(join(output, blobName(passing)))).length > 0)
    assert.equal((await ask('DELETE', '/v2/app/manifests/passing')).status, 202)
    const digests = (await readFile(join(output, SNAPSHOT_NAME), 'utf8')).split('\n').length
    for (const reference of [passing]) assert.equal((await ask('DELETE', `/v2/app/blobs/${reference}`)).status, 202)
    await backUp(output)
    assert.ok((await readFile(join(output, SNAPSHOT_NAME), 'utf8')).split('\n').length < digests)
    await assert.rejects(readFile(join(output, blobName(passing))), { code: 'ENOENT' })
    await assertRestores(output)
  })

  it('refuse a backup that is damaged, cut short or incomplete, and leave the folder empty', async () => {
    const output = await backedUp('damaged')
    const file = join(output, blobName(layer))
    const bytes = await readFile(file)
    await writeFile(file, Buffer.from(bytes).fill(1, 1_000_000, 1_000_001))
    await assertNotRestored(output, new RegExp(`damaged: .*${layer}`))
    await rm(file)
    await assertNotRestored(output, new RegExp(`lacks ${layer}`))
    await writeFile(file, bytes)
    const snapshot = join(output, SNAPSHOT_NAME)
    await truncate(snapshot, (await readFile(snapshot)).length - 10)
    await assertNotRestored(output, /cut short/)
    await rm(snapshot)
    await assertNotRestored(output, /no backup into it came to its end/)
    const archive = await backedUp('cut.tar')
    await truncate(archive, 1_000_000)
    await assertNotRestored(archive, /damaged|lacks|ended after/)
    await writeFile(archive, 'no archive at all')
    await assertNotRestored(archive, /no backup/)
    await assertNotRestored(join(folder, 'nowhere'), /cannot read/)
  })

  it('never touch what a folder holds already', async () => {
    const output = await backedUp('good')
    const full = join(folder, 'full')
    await mkdir(full)
    await writeFile(join(full, 'letters'), 'dear')
    const restored = await runShoal(['restore', '--from', output, '--data', full])
    assert.equal(restored.code, 1)
    assert.match(restored.stderr, /not empty/)
    assert.match((await backUp(full)).stderr, /something else than a backup/)
    assert.deepEqual(await readdir(full), ['letters'])
  })

  it('leave the backup before as it was when one fails or is interrupted', async () => {
    const output = await backedUp('kept')
    const before = await readFile(join(output, SNAPSHOT_NAME))
    const broken = await push('broken')
    const file = join(data, 'content', blobName(broken))
    const bytes = await readFile(file)
    await writeFile(file, Buffer.from(bytes).fill(1, 0, 1))
    const failed = await backUp(output)
    assert.equal(failed.code, 1)
    assert.match(failed.stderr, new RegExp(broken))
    await writeFile(file, bytes)
    const controller = new AbortController()
    setImmediate(() => controller.abort(new Error('interrupted')))
    const interrupted = await backUp(output, controller.signal)
    assert.match(interrupted.stderr, /interrupted/)
    assert.deepEqual(await readFile(join(output, SNAPSHOT_NAME)), before)
    assert.ok(!(await readdir(output)).includes(LOCK_NAME))
    await assertRestores(output)
    const archive = join(folder, 'never.tar')
    await backUp(archive, AbortSignal.abort(new Error('interrupted')))
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.includes('never')),
      []
    )
  })

  it('do not write into a folder at the same time, unless the other one is dead', async () => {
    const output = await backedUp('locked')
    await writeFile(join(output, LOCK_NAME), `1@${hostname()}\n`)
    assert.match((await backUp(output)).stderr, /another backup is being written/)
    await writeFile(join(output, LOCK_NAME), `4194999@${hostname()}\n`)
    assert.equal((await backUp(output)).code, 0)
  })

  it('keep a registry from starting on half of a restore', async () => {
    const half = join(folder, 'half')
    await mkdir(half)
    await writeFile(join(half, RESTORING_FILE), '')
    await assert.rejects(start(half), /did not come to its end/)
    const restored = await runShoal(['restore', '--from', join(folder, 'good'), '--data', half])
    assert.match(restored.stderr, /did not come to its end/)
  })
})
