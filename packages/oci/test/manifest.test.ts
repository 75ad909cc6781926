import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  digestOf,
  errorEnvelope,
  MEDIA_TYPES,
  manifestMediaType,
  manifestReferences,
  OciError,
  parseErrorEnvelope,
  parseManifest
} from '../src/index.ts'

const digest = digestOf(Buffer.from('x'))
const config = { mediaType: MEDIA_TYPES.ociConfig, digest, size: 2 }
const layer = { mediaType: MEDIA_TYPES.ociLayerGzip, digest, size: 10, annotations: { a: 'b' } }
const image = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers: [layer] }
const child = {
  mediaType: MEDIA_TYPES.ociManifest,
  digest,
  size: 5,
  platform: { os: 'linux', architecture: 'arm64', variant: 'v8' }
}
const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [child] }
const encode = (value: unknown) => Buffer.from(JSON.stringify(value))
const invalid = { code: 'MANIFEST_INVALID', status: 400 }

describe('a manifest', () => {
  it('of an image has config and layers', () => {
    const manifest = parseManifest(encode(image))
    assert.ok(manifest.kind === 'image')
    assert.deepEqual(manifestReferences(manifest), [config, layer])
  })

  it('of several platforms has manifests', () => {
    const manifest = parseManifest(encode({ ...index, subject: child, artifactType: 'a/b', annotations: { k: 'v' } }))
    assert.ok(manifest.kind === 'index')
    assert.deepEqual(manifest.manifests, [child])
    assert.deepEqual(manifest.subject, child)
    assert.deepEqual(manifestReferences(manifest), [child])
  })

  it('that does not say what it is, is known by its shape', () => {
    const { mediaType: _image, ...bareImage } = image
    const { mediaType: _index, ...bareIndex } = index
    assert.equal(manifestMediaType(encode(bareImage)), MEDIA_TYPES.ociManifest)
    assert.equal(manifestMediaType(encode(bareIndex)), MEDIA_TYPES.ociIndex)
    const docker = parseManifest(encode(bareImage), `${MEDIA_TYPES.dockerManifest}; charset=utf-8`)
    assert.equal(docker.mediaType, MEDIA_TYPES.dockerManifest)
  })

  it('that contradicts itself is refused', () => {
    assert.throws(() => parseManifest(encode(image), MEDIA_TYPES.ociIndex), invalid)
    assert.throws(() => parseManifest(encode({ ...index, mediaType: MEDIA_TYPES.ociManifest })), invalid)
    assert.throws(() => parseManifest(encode({ ...image, manifests: [] })), invalid)
  })

  it('that lacks something is refused, saying what', () => {
    const broken: [unknown, RegExp][] = [
      [{ ...image, config: undefined }, /config/],
      [{ ...image, layers: undefined }, /layers/],
      [{ ...image, layers: [{ ...layer, size: -1 }] }, /layers\[0\] has no valid size/],
      [{ ...image, layers: [{ ...layer, digest: 'sha256:1' }] }, /layers\[0\] has no valid digest/],
      [{ ...image, annotations: { a: 1 } }, /annotation/],
      [{ ...image, mediaType: 'text/plain' }, /text\/plain/],
      [{ ...image, schemaVersion: 1 }, /schemaVersion/],
      [[], /object/]
    ]
    for (const [value, message] of broken) assert.throws(() => parseManifest(encode(value)), { ...invalid, message })
  })

  it('of any bytes is read or refused with an OciError', () => {
    const anything = fc.oneof(
      fc.uint8Array(),
      fc.jsonValue().map(encode),
      fc
        .record(
          { mediaType: fc.jsonValue(), config: fc.jsonValue(), layers: fc.jsonValue(), manifests: fc.jsonValue() },
          { requiredKeys: [] }
        )
        .map(encode)
    )
    fc.assert(
      fc.property(anything, (bytes) => {
        try {
          parseManifest(bytes)
        } catch (error) {
          assert.ok(error instanceof OciError, String(error))
        }
      }),
      { numRuns: 1000 }
    )
  })
})

describe('an error envelope', () => {
  it('is read back', () => {
    const error = new OciError('BLOB_UNKNOWN', 'gone', { detail: { digest } })
    assert.equal(error.status, 404)
    assert.deepEqual(parseErrorEnvelope(JSON.stringify(errorEnvelope(error))), [
      { code: 'BLOB_UNKNOWN', message: 'gone', detail: { digest } }
    ])
  })

  it('of any text is read as far as it goes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => assert.ok(Array.isArray(parseErrorEnvelope(text))))
    )
  })
})
