import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { type Descriptor, digestHex } from '@shoal/oci'
import { addToIndex } from '../src/pull/layout-index.ts'
import { choosePlatform, listPlatforms } from '../src/pull/platform-choice.ts'
import { ShutdownError } from '../src/signals.ts'
import { parsePlatform } from '../src/values/platform.ts'
import { blob, deafUrl, FakeMirror, INDEX_TYPE, runShoal, tinyImage } from './support.ts'

const REF = 'registry.example/team/app:1'

describe('shoal pull', () => {
  let mirror: FakeMirror
  let agent: string
  let deaf: string
  let root: string
  let output: string
  const image = tinyImage('app')
  const pull = (...more: string[]) =>
    // Nothing tells of shares from peers: that must not matter.
    runShoal(['pull', REF, '--agent', agent, '--admin', deaf, '--output', output, ...more])
  const blobFile = ({ digest }: Descriptor): string => join(output, 'blobs', 'sha256', digestHex(digest))
  const index = async () => JSON.parse(await readFile(join(output, 'index.json'), 'utf8'))

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'shoal-test-'))
    output = join(root, 'layout')
    mirror = new FakeMirror()
    mirror.add('1', image)
    agent = await mirror.start()
    deaf = await deafUrl()
  })
  afterEach(async () => {
    await mirror.stop()
    await rm(root, { recursive: true, force: true })
  })

  it('makes an OCI layout of what the agent serves', async () => {
    const result = await pull()
    assert.equal(result.code, 0, result.stderr)
    assert.equal(result.stderr, '')
    assert.match(result.stdout, new RegExp(image.manifest.descriptor.digest))
    assert.equal(await readFile(join(output, 'oci-layout'), 'utf8'), '{"imageLayoutVersion":"1.0.0"}')
    const { manifests, ...rest } = await index()
    assert.deepEqual(rest, { schemaVersion: 2, mediaType: INDEX_TYPE })
    assert.deepEqual(manifests, [
      {
        ...image.manifest.descriptor,
        annotations: { 'org.opencontainers.image.ref.name': '1', 'io.containerd.image.name': REF }
      }
    ])
    for (const { bytes, descriptor } of [image.manifest, ...image.blobs]) {
      assert.deepEqual(await readFile(blobFile(descriptor)), bytes)
    }
    assert.deepEqual((await readdir(output)).sort(), ['blobs', 'index.json', 'oci-layout'])
  })

  it('tells the agent which registry is meant', async () => {
    await pull()
    assert.ok(mirror.requests.length > 0)
    for (const request of mirror.requests) assert.match(request, /^GET \/v2\/team\/app\/.*\?ns=registry\.example$/)
  })

  it('prints a plain line for each blob in a pipe', async () => {
    const { stdout } = await pull()
    assert.equal(stdout.match(/^(?:config|layer) [0-9a-f]{12} {2}done /gm)?.length, 3)
    assert.ok(!stdout.includes('\u001b'))
  })

  it('leaves out what is there and right, and replaces what is damaged', async () => {
    await pull()
    const [, right, damaged] = image.blobs
    assert.ok(right !== undefined && damaged !== undefined)
    await writeFile(blobFile(damaged.descriptor), damaged.bytes.toString().toUpperCase())
    mirror.requests.length = 0
    const result = await pull()
    assert.equal(result.code, 0, result.stderr)
    assert.equal(result.stdout.match(/already there/g)?.length, 2)
    assert.deepEqual(
      mirror.requests.filter((request) => request.includes('/blobs/')),
      [`GET /v2/team/app/blobs/${damaged.descriptor.digest}?ns=registry.example`]
    )
    assert.deepEqual(await readFile(blobFile(damaged.descriptor)), damaged.bytes)
  })

  it('adds a second image beside the first, and replaces one of the same name', async () => {
    await pull()
    const next = tinyImage('next')
    mirror.add('1', next)
    assert.equal((await pull()).code, 0)
    assert.equal((await index()).manifests.length, 1)
    mirror.add('2', image)
    const second = ['pull', 'registry.example/team/app:2', '--agent', agent, '--output', output]
    assert.equal((await runShoal(second)).code, 0)
    const names = (await index()).manifests.map((entry: Descriptor) => entry.annotations?.['io.containerd.image.name'])
    assert.deepEqual(names, [REF, 'registry.example/team/app:2'])
  })

  it('refuses bytes that are not what their digest says, and leaves nothing of them', async () => {
    const [, , last] = image.blobs
    assert.ok(last !== undefined)
    mirror.corrupt(last.descriptor.digest)
    const result = await pull()
    assert.equal(result.code, 1)
    assert.match(result.stderr, new RegExp(`^shoal: .*${last.descriptor.digest}.*another digest.*\n$`))
    assert.ok(!(await readdir(join(output, 'blobs', 'sha256'))).includes(digestHex(last.descriptor.digest)))
    assert.deepEqual(await readdir(join(output, '.partial')), [])
    await assert.rejects(index(), { code: 'ENOENT' })
  })

  it('names the blob that nobody has', async () => {
    const [first] = image.blobs
    assert.ok(first !== undefined)
    mirror.blobs.delete(first.descriptor.digest)
    const result = await pull()
    assert.equal(result.code, 1)
    assert.match(result.stderr, new RegExp(`${first.descriptor.digest} is nowhere to be found`))
  })

  it('takes the image of the platform that was asked for', async () => {
    const arm = tinyImage('arm')
    mirror.add('arm', arm)
    const manifests = [
      { ...image.manifest.descriptor, platform: { os: 'linux', architecture: 'amd64' } },
      { ...arm.manifest.descriptor, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } }
    ]
    const text = JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests })
    mirror.addManifest('1', blob(text, INDEX_TYPE))
    assert.equal((await pull('--platform', 'linux/arm64')).code, 0)
    const [entry] = (await index()).manifests
    assert.equal(entry.digest, arm.manifest.descriptor.digest)
    assert.deepEqual(entry.platform, { os: 'linux', architecture: 'arm64', variant: 'v8' })
    const none = await pull('--platform', 'linux/s390x')
    assert.equal(none.code, 1)
    assert.match(none.stderr, /no image for linux\/s390x; give --platform with one of: linux\/amd64, linux\/arm64\/v8/)
  })

  it('does not write into a folder of something else', async () => {
    await mkdir(output)
    await writeFile(join(output, 'thesis.txt'), 'mine')
    const result = await pull()
    assert.equal(result.code, 1)
    assert.match(result.stderr, /has files but is no OCI layout; .*--output/)
    assert.deepEqual(await readdir(output), ['thesis.txt'])
  })

  it('removes what a killed pull left, but not what another one may be writing', async () => {
    await mkdir(join(output, '.partial'), { recursive: true })
    await writeFile(join(output, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    await writeFile(join(output, '.partial', 'old'), 'x')
    await utimes(join(output, '.partial', 'old'), 0, 0)
    await writeFile(join(output, '.partial', 'young'), 'x')
    assert.equal((await pull()).code, 0)
    assert.deepEqual(await readdir(join(output, '.partial')), ['young'])
  })

  it('says what is wrong with a name, and that there is no such image', async () => {
    const badName = await runShoal(['pull', 'Team/App:1', '--output', output])
    assert.equal(badName.code, 2)
    assert.match(badName.stderr, /^shoal: REF: .*\n$/)
    const missing = await runShoal(['pull', 'registry.example/team/app:9', '--agent', agent, '--output', output])
    assert.equal(missing.code, 1)
    assert.match(missing.stderr, /there is no registry\.example\/team\/app:9/)
  })

  it('says what to start when no agent listens', async () => {
    await mirror.stop()
    const result = await pull()
    assert.equal(result.code, 1)
    assert.match(result.stderr, /^shoal: no agent answers at http.*start "shoal agent".*--agent URL.*\n$/)
  })

  it('ends with the code of the signal that stopped it', async () => {
    const signal = AbortSignal.abort(new ShutdownError('SIGINT'))
    const result = await runShoal(['pull', REF, '--agent', agent, '--output', output], { signal })
    assert.equal(result.code, 130)
  })
})

describe('the choice of a platform', () => {
  const entry = (platform: string): Descriptor => {
    return { ...blob(platform).descriptor, platform: parsePlatform(platform) }
  }
  const chosen = (wanted: string, ...offered: string[]): string | undefined => {
    const entries = offered.map(entry)
    const found = choosePlatform(entries, parsePlatform(wanted))
    return found === undefined ? undefined : offered[entries.indexOf(found)]
  }

  it('is the same system and processor', () => {
    assert.equal(chosen('linux/amd64', 'windows/amd64', 'linux/arm64', 'linux/amd64'), 'linux/amd64')
    assert.equal(chosen('linux/amd64', 'windows/amd64'), undefined)
  })

  it('is the best variant that runs', () => {
    assert.equal(chosen('linux/arm/v7', 'linux/arm/v5', 'linux/arm/v6', 'linux/arm/v8'), 'linux/arm/v6')
    assert.equal(chosen('linux/arm64/v8', 'linux/arm64'), 'linux/arm64')
    assert.equal(chosen('linux/arm64', 'linux/arm64/v8'), 'linux/arm64/v8')
    assert.equal(chosen('linux/amd64/v3', 'linux/amd64/v4'), undefined)
  })

  it('is among those that are listed', () => {
    assert.equal(listPlatforms([entry('linux/arm/v7'), entry('unknown/unknown'), blob('x').descriptor]), 'linux/arm/v7')
    assert.equal(listPlatforms([]), 'none')
  })
})

describe('the index of a layout', () => {
  const { descriptor } = blob('manifest')

  it('keeps entries of others, whatever they carry', () => {
    const other = { digest: 'sha256:x', mediaType: 'y', size: 1, custom: true }
    const before = JSON.stringify({ schemaVersion: 2, manifests: [other] })
    const { manifests } = JSON.parse(addToIndex(before, 'index.json', descriptor, { full: 'a/b:1', tag: '1' }))
    assert.deepEqual(manifests[0], other)
    assert.equal(manifests.length, 2)
  })

  it('is not overwritten when it cannot be understood', () => {
    for (const text of ['', 'null', '[]', '{"manifests":{}}', '{']) {
      assert.throws(() => addToIndex(text, 'index.json', descriptor, { full: 'a/b:1' }), /index\.json is no/, text)
    }
  })
})
