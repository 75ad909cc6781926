import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '@shoal/oci'
import { errorCode, type Harness, json, putManifest, startRegistry } from '../harness.ts'
import { KINDS, putSample, type Sample } from './manifest-kinds.ts'
import { ALGORITHMS, locationOf } from './pushing.ts'

const NAME = 'conformance/manifests'

/** end-3: it is served under a reference exactly as it was pushed. */
async function assertServed({ request }: Harness, reference: string, pushed: Sample, digest: string): Promise<void> {
  const url = reference.startsWith('/') ? reference : `/v2/${NAME}/manifests/${reference}`
  const head = await request(url, { method: 'HEAD' })
  const get = await request(url)
  for (const response of [head, get]) {
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('docker-content-digest'), digest)
    assert.equal(response.headers.get('content-length'), String(pushed.bytes.length))
    assert.equal(response.headers.get('content-type'), pushed.mediaType)
  }
  assert.ok(Buffer.from(await get.arrayBuffer()).equals(pushed.bytes), 'the manifest is what was pushed, byte for byte')
}

async function tagsOf({ request }: Harness): Promise<string[]> {
  return (await json<{ tags: string[] }>(await request(`/v2/${NAME}/tags/list`))).tags
}

for (const algorithm of ALGORITHMS) {
  describe(`manifests with ${algorithm}`, () => {
    it('end-7a, end-3, end-8, end-9: takes every kind by digest, serves and deletes it', async (t) => {
      const harness = await startRegistry(t)
      for (const [kind, make] of Object.entries(KINDS)) {
        await t.test(kind, async () => {
          const made = await make(harness, NAME, algorithm)
          const digest = digestOf(made.bytes, algorithm)
          const put = await putSample(harness, NAME, made, algorithm)
          assert.equal(put.status, 201)
          assert.equal(put.headers.get('docker-content-digest'), digest)
          const { subject } = JSON.parse(made.bytes.toString())
          assert.equal(put.headers.get('oci-subject'), subject?.digest ?? null)
          await assertServed(harness, locationOf(put), made, digest)
          await assertServed(harness, digest, made, digest)
          const url = `/v2/${NAME}/manifests/${digest}`
          assert.equal((await harness.request(url, { method: 'DELETE' })).status, 202)
          for (const method of ['GET', 'HEAD', 'DELETE']) {
            assert.equal((await harness.request(url, { method })).status, 404, method)
          }
        })
      }
    })

    it('end-7b: tags a manifest that is pushed by digest', async (t) => {
      const harness = await startRegistry(t)
      for (const kind of ['image', 'index'] as const) {
        const made = await KINDS[kind]?.(harness, NAME, algorithm)
        assert.ok(made)
        const put = await putSample(harness, NAME, made, algorithm, `?tag=${kind}-1&tag=${kind}-2`)
        assert.equal(put.status, 201)
        const tags = put.headers
          .get('oci-tag')
          ?.split(',')
          .map((tag) => tag.trim())
        assert.deepEqual(tags, [`${kind}-1`, `${kind}-2`])
        for (const tag of tags) await assertServed(harness, tag, made, digestOf(made.bytes, algorithm))
      }
      const wrong = await putSample(harness, NAME, await image(harness), algorithm, '?tag=ok&tag=-not')
      assert.equal(wrong.status, 400)
      const many = Array.from({ length: 101 }, (_, i) => `tag=t${i}`).join('&')
      assert.equal((await putSample(harness, NAME, await image(harness), algorithm, `?${many}`)).status, 414)
      assert.deepEqual(await tagsOf(harness), ['image-1', 'image-2', 'index-1', 'index-2'])
    })

    it('end-7: refuses a manifest under a digest that it has not', async (t) => {
      const harness = await startRegistry(t)
      const { bytes } = await image(harness)
      for (const reference of [digestOf(Buffer.from('other'), algorithm), `${algorithm}:12`, 'md5:0123456789abcdef']) {
        const response = await putManifest(harness, NAME, reference, bytes)
        assert.equal(response.status, 400, reference)
        assert.equal(await errorCode(response), 'DIGEST_INVALID', reference)
        assert.ok([400, 404].includes((await harness.request(`/v2/${NAME}/manifests/${reference}`)).status), reference)
      }
    })
  })
}

it('end-7a, end-8, end-9: takes every kind by tag, moves the tag, deletes it and leaves the manifest', async (t) => {
  const harness = await startRegistry(t)
  for (const make of Object.values(KINDS)) {
    const made = await make(harness, NAME, 'sha256')
    const put = await putManifest(harness, NAME, 'latest', made.bytes, made.mediaType)
    assert.equal(put.status, 201)
    await assertServed(harness, 'latest', made, digestOf(made.bytes))
    assert.deepEqual(await tagsOf(harness), ['latest'])
  }
  const { bytes, mediaType } = await image(harness)
  await putManifest(harness, NAME, 'latest', bytes, mediaType)
  const url = `/v2/${NAME}/manifests/latest`
  assert.equal((await harness.request(url, { method: 'DELETE' })).status, 202)
  assert.equal((await harness.request(url, { method: 'DELETE' })).status, 404)
  assert.equal((await harness.request(url)).status, 404)
  assert.deepEqual(await tagsOf(harness), [])
  await assertServed(harness, digestOf(bytes), { bytes, mediaType }, digestOf(bytes))
})

it('end-7: warns of an image whose blobs are missing, or refuses it where the operator says so', async (t) => {
  const open = await startRegistry(t)
  const strict = await startRegistry(t, { sparseImages: 'refuse' })
  const make = KINDS['sparse image']
  assert.ok(make)
  const made = await make(open, NAME, 'sha256')
  const warning = (await putManifest(open, NAME, 'sparse', made.bytes)).headers.get('warning')
  assert.match(warning ?? '', /^299 - "the image is not complete: the repository has no blob sha256:[0-9a-f]{64}"$/)
  const whole = await image(open)
  assert.equal((await putManifest(open, NAME, 'whole', whole.bytes)).headers.get('warning'), null)
  const refused = await putManifest(strict, NAME, 'sparse', (await make(strict, NAME, 'sha256')).bytes)
  assert.equal(refused.status, 404)
  assert.equal(await errorCode(refused), 'MANIFEST_BLOB_UNKNOWN')
  // What is missing may come later, and then nothing is to be warned of.
  assert.equal((await putManifest(strict, NAME, 'whole', (await image(strict)).bytes)).status, 201)
})

it('end-7: takes 4 MiB, and answers 413 to more', async (t) => {
  const harness = await startRegistry(t)
  const { bytes } = await image(harness)
  const limit = 4 * 1024 * 1024
  const padded = (length: number): Buffer => Buffer.concat([bytes, Buffer.alloc(length - bytes.length, ' ')])
  assert.equal((await putManifest(harness, NAME, 'large', padded(limit))).status, 201)
  const response = await putManifest(harness, NAME, 'larger', padded(limit + 1))
  assert.equal(response.status, 413)
  assert.equal(await errorCode(response), 'SIZE_INVALID')
})

async function image(harness: Harness): Promise<Sample> {
  const make = KINDS.image
  assert.ok(make)
  return await make(harness, NAME, 'sha256')
}
