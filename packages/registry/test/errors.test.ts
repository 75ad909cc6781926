import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type ContentStore, StoreClosedError, StoreFullError } from '@shoal/content'
import { OciError } from '@shoal/oci'
import { errorAnswer, errorBody } from '../src/error-answer.ts'
import { startRegistry } from './harness.ts'

it('has an answer for every error', () => {
  const cases = [
    [new OciError('DIGEST_INVALID', 'wrong'), 400, 'DIGEST_INVALID', false],
    [new OciError('BLOB_UPLOAD_INVALID', 'out of order', { status: 416 }), 416, 'BLOB_UPLOAD_INVALID', false],
    [new StoreFullError('a blob'), 507, 'STORE_FULL', true],
    [new StoreClosedError(), 503, 'UNAVAILABLE', false],
    [Object.assign(new Error('refused'), { statusCode: 415 }), 415, 'UNSUPPORTED', false],
    [Object.assign(new Error('broken'), { statusCode: 500 }), 500, 'INTERNAL', true],
    [new Error('/secret/path: EIO'), 500, 'INTERNAL', true],
    ['a string', 500, 'INTERNAL', true]
  ] as const
  for (const [error, status, code, internal] of cases) {
    const answer = errorAnswer(error, 'req-1')
    assert.deepEqual([answer.status, answer.code, answer.internal], [status, code, internal], String(error))
    const { errors } = errorBody(error, answer)
    assert.equal(errors.length, 1)
    assert.equal(errors[0]?.code, code)
    assert.doesNotMatch(errors[0]?.message ?? '', /secret/)
  }
})

it('keeps the detail of an error for clients', () => {
  const error = new OciError('BLOB_UNKNOWN', 'gone', { detail: { digest: 'd' } })
  assert.deepEqual(errorBody(error, errorAnswer(error, '1')), {
    errors: [{ code: 'BLOB_UNKNOWN', message: 'gone', detail: { digest: 'd' } }]
  })
})

it('logs the cause of a failure, and tells the client only where to look', async (t) => {
  const failing = {
    pendingIngests: async () => [],
    stat: async () => {
      throw new Error('disk on fire in /var/lib/secret')
    },
    ingest: async () => {
      throw new StoreFullError('/var/lib/secret')
    }
  } as unknown as ContentStore
  const harness = await startRegistry(t, { store: failing })
  const full = await harness.request('/v2/app/blobs/uploads/', { method: 'POST' })
  const location = full.headers.get('location') ?? ''
  const patch = await harness.request(location, { method: 'PATCH', body: 'bytes' })
  assert.equal(patch.status, 507)
  assert.doesNotMatch(await patch.text(), /secret/)

  const digest = `sha256:${'0'.repeat(64)}`
  const put = await harness.request(`${location}?digest=${digest}`, { method: 'PUT' })
  assert.equal(put.status, 500)
  const text = await put.text()
  assert.doesNotMatch(text, /secret|fire|at |\.ts/)
  const request = /request (\S+)"/.exec(text)?.[1]
  const line = harness.lines.find((each) => Reflect.get(each.data, 'request') === request)
  assert.equal(line?.level, 'error')
  assert.match(String(Reflect.get(line?.data ?? {}, 'err')), /disk on fire/)
})
