import assert from 'node:assert/strict'
import { it } from 'node:test'
import { digestOf } from '@shoal/oci'
import { errorCode, pushImage, startRegistry } from '../harness.ts'

const missing = digestOf(Buffer.from('missing'))
const octets = { 'content-type': 'application/octet-stream' }

/** Requests that are refused: method, path, status, code, and what they send. */
const CASES: readonly [string, string, number, string, RequestInit?][] = [
  ['GET', `/v2/app/blobs/${missing}`, 404, 'BLOB_UNKNOWN'],
  ['GET', `/v2/none/blobs/${missing}`, 404, 'BLOB_UNKNOWN'],
  ['DELETE', `/v2/app/blobs/${missing}`, 404, 'BLOB_UNKNOWN'],
  ['GET', '/v2/app/blobs/sha256:12', 400, 'DIGEST_INVALID'],
  ['GET', '/v2/app/blobs/sha1:0123', 400, 'DIGEST_INVALID'],
  ['GET', '/v2/app/manifests/none', 404, 'MANIFEST_UNKNOWN'],
  ['GET', `/v2/app/manifests/${missing}`, 404, 'MANIFEST_UNKNOWN'],
  ['GET', '/v2/none/manifests/v1', 404, 'NAME_UNKNOWN'],
  ['GET', '/v2/app/manifests/sha256:12', 400, 'DIGEST_INVALID'],
  ['DELETE', `/v2/app/manifests/${missing}`, 404, 'MANIFEST_UNKNOWN'],
  ['DELETE', '/v2/app/manifests/none', 404, 'MANIFEST_UNKNOWN'],
  ['PUT', '/v2/app/manifests/v2', 400, 'MANIFEST_INVALID', { body: '{}' }],
  ['PUT', '/v2/app/manifests/-v2', 400, 'MANIFEST_INVALID', { body: '{}' }],
  ['PUT', `/v2/app/manifests/${missing}`, 400, 'DIGEST_INVALID', { body: '{"schemaVersion":2,"manifests":[]}' }],
  ['POST', '/v2/app/blobs/uploads/?digest=sha256:12', 400, 'DIGEST_INVALID', { body: 'x' }],
  ['POST', `/v2/app/blobs/uploads/?digest=${missing}`, 400, 'DIGEST_INVALID', { body: 'x', headers: octets }],
  ['POST', '/v2/app/blobs/uploads/?digest-algorithm=md5', 400, 'DIGEST_INVALID'],
  ['POST', '/v2/app/blobs/uploads/?mount=sha256:12', 400, 'DIGEST_INVALID'],
  ['POST', '/v2/App/blobs/uploads/', 400, 'NAME_INVALID'],
  ['GET', '/v2/app/blobs/uploads/none', 404, 'BLOB_UPLOAD_UNKNOWN'],
  ['PATCH', '/v2/app/blobs/uploads/none', 404, 'BLOB_UPLOAD_UNKNOWN', { body: 'x' }],
  ['PUT', `/v2/app/blobs/uploads/none?digest=${missing}`, 404, 'BLOB_UPLOAD_UNKNOWN', { body: 'x' }],
  ['DELETE', '/v2/app/blobs/uploads/none', 404, 'BLOB_UPLOAD_UNKNOWN'],
  ['GET', '/v2/none/tags/list', 404, 'NAME_UNKNOWN'],
  ['GET', '/v2/app/tags/list?n=some', 400, 'UNSUPPORTED'],
  ['GET', '/v2/_catalog?n=some', 400, 'UNSUPPORTED'],
  ['GET', '/v2/app/referrers/sha256:12', 400, 'DIGEST_INVALID'],
  ['GET', '/v2/app/nothing', 404, 'UNSUPPORTED'],
  ['POST', '/v2/app/manifests/v1', 405, 'UNSUPPORTED'],
  ['DELETE', '/v2/app/tags/list', 405, 'UNSUPPORTED'],
  ['PUT', '/v2/app/blobs/uploads/', 405, 'UNSUPPORTED']
]

it('answers what it refuses with the status and the code of the specification', async (t) => {
  const harness = await startRegistry(t)
  await pushImage(harness, 'app', 'v1')
  for (const [method, path, status, code, init] of CASES) {
    const response = await harness.request(path, { method, ...init })
    assert.equal(response.status, status, `${method} ${path}`)
    assert.equal(response.headers.get('content-type'), 'application/json', `${method} ${path}`)
    assert.equal(await errorCode(response), code, `${method} ${path}`)
  }
})

it('end-1: says that it is a registry', async (t) => {
  const { request } = await startRegistry(t)
  for (const method of ['GET', 'HEAD']) {
    const response = await request('/v2/', { method })
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('docker-distribution-api-version'), 'registry/2.0')
  }
})
