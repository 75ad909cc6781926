import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '@shoal/oci'
import type { Anonymous } from '../src/access.ts'
import { TOKEN_SECONDS, TokenIssuer } from '../src/token.ts'
import { basic, errorCode, type Harness, json, PASSWORD, pushImage, putManifest, startRegistry } from './harness.ts'

const missing = digestOf(Buffer.from('missing'))
const requests = {
  ping: ['GET', '/v2/'],
  pull: ['GET', '/v2/app/manifests/v1'],
  tags: ['GET', '/v2/app/tags/list'],
  referrers: ['GET', `/v2/app/referrers/${missing}`],
  chunkMap: ['GET', `/api/v1/chunk-maps/${missing}`],
  push: ['POST', '/v2/app/blobs/uploads/'],
  status: ['GET', '/v2/app/blobs/uploads/id'],
  put: ['PUT', '/v2/app/manifests/v2'],
  delete: ['DELETE', '/v2/app/manifests/v1']
} as const
type Name = keyof typeof requests

async function send({ request }: Harness, name: Name, headers: Record<string, string> = {}): Promise<Response> {
  const [method, path] = requests[name]
  return await request(path, { method, headers })
}

/** Which requests a caller with these headers may make. */
async function allowed(harness: Harness, headers: Record<string, string> = {}): Promise<Name[]> {
  const names: Name[] = []
  for (const name of Object.keys(requests) as Name[]) {
    const response = await send(harness, name, headers)
    await response.arrayBuffer()
    if (response.status !== 401) names.push(name)
    else assert.notEqual(response.headers.get('www-authenticate'), null, name)
  }
  return names
}

const reading: Name[] = ['pull', 'tags', 'referrers', 'chunkMap']
const all = Object.keys(requests) as Name[]
const expected: Record<Anonymous, Name[]> = { none: [], pull: reading, push: all }

for (const anonymous of ['none', 'pull', 'push'] as const) {
  describe(`anonymous ${anonymous}`, () => {
    it('lets a caller without credentials do so much', async (t) => {
      const harness = await startRegistry(t, { anonymous })
      assert.deepEqual(await allowed(harness), expected[anonymous])
    })

    it('lets the administrator do everything, by password and by token', async (t) => {
      const harness = await startRegistry(t, { anonymous })
      assert.deepEqual(await allowed(harness, basic()), all)
      const { token } = await json<{ token: string }>(await harness.request('/token', { headers: basic() }))
      assert.deepEqual(await allowed(harness, { authorization: `Bearer ${token}` }), all)
    })

    it('lets nobody do anything with wrong credentials', async (t) => {
      const harness = await startRegistry(t, { anonymous })
      const wrong = [
        basic('wrong'),
        basic(PASSWORD, 'root'),
        basic(''),
        { authorization: 'Bearer x.y.z' },
        { authorization: 'Bearer' },
        { authorization: 'Negotiate x' },
        { authorization: 'Basic' }
      ]
      for (const headers of wrong) assert.deepEqual(await allowed(harness, headers), [], headers.authorization)
    })
  })
}

it('asks for a password where nobody may do anything without one', async (t) => {
  const harness = await startRegistry(t, { anonymous: 'none' })
  const response = await harness.request('/v2/')
  assert.equal(response.status, 401)
  assert.equal(response.headers.get('www-authenticate'), 'Basic realm="shoal"')
  assert.equal(await errorCode(response), 'UNAUTHORIZED')
  assert.equal((await harness.request('/token')).status, 200)
})

it('offers a token where everybody may pull, and takes an anonymous one for pulls only', async (t) => {
  const harness = await startRegistry(t, { anonymous: 'pull' })
  const ping = await harness.request('/v2/', { headers: { 'x-forwarded-proto': 'https' } })
  assert.equal(ping.status, 401)
  const challenge = `Bearer realm="https://127.0.0.1:${harness.port}/token",service="shoal"`
  assert.equal(ping.headers.get('www-authenticate'), challenge)
  const push = await send(harness, 'push')
  assert.equal(
    push.headers.get('www-authenticate'),
    `${challenge.replace('https', 'http')},scope="repository:app:pull,push", Basic realm="shoal"`
  )
  const { token } = await json<{ token: string }>(await harness.request('/token'))
  assert.deepEqual(await allowed(harness, { authorization: `Bearer ${token}` }), ['ping', ...reading])
  assert.equal((await harness.request('/token', { headers: basic('wrong') })).status, 401)
  assert.equal((await harness.request('/token', { method: 'POST' })).status, 405)
})

it('takes empty credentials for none, as containers/image sends them', async (t) => {
  const harness = await startRegistry(t, { anonymous: 'pull' })
  assert.deepEqual(await allowed(harness, basic('', '')), ['ping', ...reading])
})

it('does not believe a token that was changed, is old, or of another registry', () => {
  let now = 1_000_000
  const tokens = new TokenIssuer(() => now)
  const token = tokens.issue('anonymous')
  assert.equal(tokens.role(token), 'anonymous')
  assert.equal(tokens.role(token.replace('anonymous', 'admin')), undefined)
  assert.equal(tokens.role(token.replace('.1', '.2')), undefined)
  assert.equal(new TokenIssuer(() => now).role(token), undefined)
  now += TOKEN_SECONDS * 1000
  assert.equal(tokens.role(token), undefined)
})

it('heeds ns: other registries are not here, our own names are', async (t) => {
  const harness = await startRegistry(t, { names: ['shoal.example:5000'] })
  await pushImage(harness, 'app', 'v1')
  const other = await harness.request('/v2/app/manifests/v1?ns=docker.io')
  assert.equal(other.status, 404)
  assert.equal(await errorCode(other), 'NAME_UNKNOWN')
  const own = await harness.request('/v2/app/manifests/v1?ns=shoal.example:5000')
  assert.equal(own.status, 200)
  assert.equal(own.headers.get('oci-namespace'), 'shoal.example:5000')
  await own.arrayBuffer()
  assert.equal((await harness.request('/v2/app/manifests/v1')).headers.get('oci-namespace'), null)
})

it('does not mind ns where the registry has no names', async (t) => {
  const harness = await startRegistry(t)
  const { bytes } = await pushImage(harness, 'app', 'v1')
  const response = await harness.request('/v2/app/manifests/v1?ns=docker.io')
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), bytes)
  assert.equal((await putManifest(harness, 'app', 'v2?ns=docker.io', bytes)).status, 201)
})
