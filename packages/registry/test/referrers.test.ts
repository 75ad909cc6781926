import assert from 'node:assert/strict'
import { it } from 'node:test'
import { digestOf, MEDIA_TYPES } from '@shoal/oci'
import {
  errorCode,
  type Harness,
  imageManifest,
  json,
  pushBlob,
  pushImage,
  putManifest,
  startRegistry
} from './harness.ts'

interface Listed {
  schemaVersion: number
  mediaType: string
  manifests: { digest: string; artifactType?: string; annotations?: object; size: number }[]
}

async function list(harness: Harness, path: string): Promise<{ response: Response; body: Listed }> {
  const response = await harness.request(path)
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), MEDIA_TYPES.ociIndex)
  const body = await json<Listed>(response)
  return { response, body }
}

it('lists what refers to a manifest, with type and annotations', async (t) => {
  const harness = await startRegistry(t)
  const { bytes, digest } = await pushImage(harness, 'app', 'v1')
  const subject = { mediaType: MEDIA_TYPES.ociManifest, digest, size: bytes.length }
  const annotations = { made: 'today' }
  const signature = await pushImage(harness, 'app', 'sig', { subject, artifactType: 'application/sig', annotations })
  const plain = await pushImage(harness, 'app', 'plain', { subject })

  const { body } = await list(harness, `/v2/app/referrers/${digest}`)
  assert.deepEqual([body.schemaVersion, body.mediaType], [2, MEDIA_TYPES.ociIndex])
  const mediaType = MEDIA_TYPES.ociManifest
  assert.deepEqual(
    new Map(body.manifests.map((each) => [each.digest, each])),
    new Map<string, object>([
      [
        signature.digest,
        {
          mediaType,
          digest: signature.digest,
          size: signature.bytes.length,
          artifactType: 'application/sig',
          annotations
        }
      ],
      [plain.digest, { mediaType, digest: plain.digest, size: plain.bytes.length, artifactType: MEDIA_TYPES.ociConfig }]
    ])
  )

  const filtered = await list(harness, `/v2/app/referrers/${digest}?artifactType=application/sig`)
  assert.deepEqual(
    filtered.body.manifests.map((each) => each.digest),
    [signature.digest]
  )
  assert.equal(filtered.response.headers.get('oci-filters-applied'), 'artifactType')

  await harness.request(`/v2/app/manifests/${plain.digest}`, { method: 'DELETE' })
  const { body: after } = await list(harness, `/v2/app/referrers/${digest}`)
  assert.equal(after.manifests.length, 1)
})

it('says with OCI-Subject that it keeps referrers, of a missing subject too', async (t) => {
  const harness = await startRegistry(t)
  const config = Buffer.from('{}')
  await pushBlob(harness, 'app', config)
  const digest = digestOf(Buffer.from('not here'))
  const bytes = imageManifest(config, [], { subject: { mediaType: MEDIA_TYPES.ociManifest, digest, size: 8 } })
  const response = await putManifest(harness, 'app', digestOf(bytes), bytes)
  assert.equal(response.status, 201)
  assert.equal(response.headers.get('oci-subject'), digest)
  const { body } = await list(harness, `/v2/app/referrers/${digest}`)
  assert.equal(body.manifests.length, 1)
})

it('has an empty list for anything else, and an error for a malformed digest', async (t) => {
  const harness = await startRegistry(t)
  const { body } = await list(harness, `/v2/never/seen/referrers/${digestOf(Buffer.from('x'))}`)
  assert.deepEqual(body.manifests, [])
  const malformed = await harness.request('/v2/app/referrers/sha256:12')
  assert.equal(malformed.status, 400)
  assert.equal(await errorCode(malformed), 'DIGEST_INVALID')
})

it('gives referrers in pages, each once', async (t) => {
  const harness = await startRegistry(t)
  const { bytes, digest } = await pushImage(harness, 'app', 'v1')
  const subject = { mediaType: MEDIA_TYPES.ociManifest, digest, size: bytes.length }
  // Large enough that the bytes end a page before the number of entries does.
  const annotations = { long: 'x'.repeat(900_000) }
  for (const tag of ['a', 'b', 'c', 'd', 'e']) {
    await pushImage(harness, 'app', tag, { subject, artifactType: `application/${tag}`, annotations })
  }
  const types: (string | undefined)[] = []
  const sizes: number[] = []
  let path: string | undefined = `/v2/app/referrers/${digest}`
  while (path !== undefined) {
    const page: { response: Response; body: Listed } = await list(harness, path)
    types.push(...page.body.manifests.map((each) => each.artifactType))
    sizes.push(page.body.manifests.length)
    path = /^<(.*)>; rel="next"$/.exec(page.response.headers.get('link') ?? '')?.[1]
  }
  assert.deepEqual(sizes, [2, 2, 1])
  assert.deepEqual(
    types.sort(),
    ['a', 'b', 'c', 'd', 'e'].map((tag) => `application/${tag}`)
  )
})
