import assert from 'node:assert/strict'
import { it } from 'node:test'
import { digestOf, MEDIA_TYPES } from '@shoal/oci'
import { EVENT_ACTIONS } from '@shoal/registry'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { basic, type Harness, json, pushImage, putManifest, startRegistry } from './harness.ts'
import { FakeUpstream } from './proxy/fake-upstream.ts'

interface Answer {
  readonly $ref?: string
  readonly headers?: Record<string, object>
  readonly content?: Record<string, { readonly schema?: object }>
}

interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query'
}

interface Operation {
  readonly parameters?: readonly Parameter[]
  readonly responses: Record<string, Answer>
}

interface Document {
  readonly openapi: string
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: { readonly responses: Record<string, Answer> }
}

/** A registry with something of every kind, and its description. */
async function described(
  t: Parameters<typeof startRegistry>[0],
  options: Parameters<typeof startRegistry>[1] = {}
): Promise<{ harness: Harness; document: Document }> {
  const harness = await startRegistry(t, { anonymous: 'none', ...options })
  const { request } = harness
  const known: Harness = {
    ...harness,
    request: async (path, init) => await request(path, { ...init, headers: { ...basic(), ...init?.headers } })
  }
  const annotations = { note: 'for the test' }
  const { bytes, digest } = await pushImage(known, 'team/app', 'v1', { annotations })
  const subject = { mediaType: MEDIA_TYPES.ociManifest, digest, size: bytes.length }
  await pushImage(known, 'team/app', 'sig', { subject, artifactType: 'application/sig' })
  const platform = { os: 'windows', architecture: 'amd64', 'os.version': '10.0.1' }
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [{ ...subject, platform, annotations }] }))
  assert.equal((await putManifest(known, 'team/app', 'all', index, MEDIA_TYPES.ociIndex)).status, 201)
  await (await known.request('/v2/team/app/manifests/v1')).arrayBuffer()
  const response = await request('/api/v1/openapi.json')
  return { harness: known, document: await json<Document>(response) }
}

function checker(document: object): (schema: object, value: unknown, message: string) => void {
  const ajv = new Ajv2020({ allErrors: true, strict: false })
  addFormats.default(ajv)
  ajv.addSchema(document, 'document')
  return (schema, value, message) => {
    const text = JSON.stringify(schema).replaceAll('"#/', '"document#/')
    const validate = ajv.compile(JSON.parse(text))
    assert.ok(validate(value), `${message}: ${ajv.errorsText(validate.errors)}`)
  }
}

const COLLECTION = '/api/v1/gc'
const READ_ONLY = '/api/v1/read-only'
/** Paths with tests of their own below. */
const WITH_STEPS = [COLLECTION, READ_ONLY, '/api/v1/events', '/api/v1/events/replay']
const BACKUPS = '/api/v1/backups'
const FILLS = '/api/v1/fills'
const hasSteps = (path: string): boolean =>
  WITH_STEPS.includes(path) || [BACKUPS, FILLS].some((prefix) => path.startsWith(prefix))
const missing = digestOf(Buffer.from('missing'))

/** A path with its parameters filled in. */
const filled = (path: string, name: string, digest: string): string =>
  path.replace('{name}', name).replace('{digest}', digest)

it('describes the answers that it gives', async (t) => {
  const { document, harness } = await described(t)
  const check = checker(document)
  const { artifacts } = await json<{ artifacts: { digest: string }[] }>(
    await harness.request('/api/v1/repositories/team/app/artifacts')
  )
  assert.equal(artifacts.length, 3)
  for (const [path, operations] of Object.entries(document.paths)) {
    if (hasSteps(path)) continue
    assert.deepEqual(Object.keys(operations), ['get'], `${path} has operations that this test does not try`)
    for (const { digest } of path.includes('{digest}') ? artifacts : [{ digest: '' }]) {
      const url = filled(path, 'team%2Fapp', digest)
      const response = await harness.request(url)
      assert.equal(response.status, 200, url)
      const answer = operations.get?.responses['200']
      const type = response.headers.get('content-type') ?? ''
      assert.deepEqual(Object.keys(answer?.content ?? {}), [type.split(';')[0]], url)
      for (const header of Object.keys(answer?.headers ?? {})) {
        if (header !== 'Link') assert.ok(response.headers.has(header), `${url}: ${header}`)
      }
      const schema = answer?.content?.[type.split(';')[0] ?? '']?.schema
      if (schema === undefined) await response.arrayBuffer()
      else check(schema, await response.json(), url)
    }
  }
})

it('describes the errors that it gives', async (t) => {
  const { document, harness } = await described(t)
  const check = checker(document)
  const wrong = { authorization: 'Basic wrong' }
  const cases: Record<string, (path: string, operation: Operation) => Promise<Response> | undefined> = {
    400: (path, { parameters = [] }) => {
      if (path.includes('{digest}')) return harness.request(filled(path, 'team/app', 'sha256:12'))
      const isPaged = parameters.some((parameter) => parameter.name === 'n')
      return isPaged ? harness.request(`${filled(path, 'team/app', '')}?n=many`) : undefined
    },
    401: (path) => harness.request(filled(path, 'team/app', missing), { headers: wrong }),
    404: (path) => harness.request(filled(path, 'none', missing))
  }
  for (const [path, { get }] of Object.entries(document.paths)) {
    if (hasSteps(path)) continue
    assert.ok(get, path)
    for (const [status, answer] of Object.entries(get.responses)) {
      if (status === '200') continue
      const response: Response | undefined = await cases[status]?.(path, get)
      assert.ok(response, `${path} has an answer ${status} that this test does not try`)
      assert.equal(String(response.status), status, path)
      assert.equal(response.headers.get('content-type'), 'application/problem+json', path)
      const described = document.components.responses[answer.$ref?.split('/').at(-1) ?? '']
      const schema = described?.content?.['application/problem+json']?.schema
      assert.ok(schema, path)
      check(schema, await response.json(), `${path} ${status}`)
    }
  }
})

type Step = readonly [method: string, status: number, init?: RequestInit]

/** Ask one thing after the other, and compare each answer with its description. */
async function take(
  { document, harness }: { document: Document; harness: Harness },
  path: string,
  steps: readonly Step[]
): Promise<void> {
  const check = checker(document)
  for (const [method, status, init] of steps) {
    const response = await harness.request(path, { method, ...init })
    assert.equal(response.status, status, `${method} ${status}`)
    const answer = document.paths[path]?.[method.toLowerCase()]?.responses[status]
    assert.ok(answer, `${method} ${status} is described`)
    const referred = document.components.responses[answer.$ref?.split('/').at(-1) ?? ''] ?? answer
    const [type, content] = Object.entries(referred.content ?? {})[0] ?? []
    assert.equal(response.headers.get('content-type'), type, `${method} ${status}`)
    assert.ok(content?.schema)
    check(content.schema, await response.json(), `${method} ${status}`)
  }
}

it('heeds the parameters that it describes', async (t) => {
  const { document, harness } = await described(t)
  for (const [path, { get }] of Object.entries(document.paths)) {
    if (hasSteps(path)) continue
    const query = (get?.parameters ?? []).filter((parameter) => parameter.in === 'query').map(({ name }) => name)
    if (query.length === 0) continue
    assert.deepEqual(query, ['n', 'last'], path)
    const url = filled(path, 'team/app', '')
    const whole = await (await harness.request(url)).text()
    const none = await (await harness.request(`${url}?n=0`)).text()
    const first = await (await harness.request(`${url}?n=1`)).text()
    assert.ok(none.length < first.length && first.length <= whole.length, path)
    const rest = await harness.request(`${url}?last=${encodeURIComponent(`sha256:${'f'.repeat(64)}`)}`)
    assert.equal(rest.status, 200, path)
  }
})

it('is a document of OpenAPI 3.1, with parameters for its paths and unique names', async (t) => {
  const { document } = await described(t)
  assert.match(document.openapi, /^3\.1\./)
  const names = new Set<unknown>()
  let count = 0
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const operation of Object.values(operations)) {
      const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
      const expected = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      assert.deepEqual(
        inPath.map(({ name }) => name),
        expected,
        path
      )
      names.add(Reflect.get(operation, 'operationId'))
      count++
    }
  }
  assert.equal(names.size, count)
  const text = JSON.stringify(document)
  for (const [, reference = ''] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    const target = reference
      .split('/')
      .reduce<unknown>(
        (node, key) => (typeof node === 'object' && node !== null ? Reflect.get(node, key) : undefined),
        document
      )
    assert.ok(target, `${reference} is in the document`)
  }
})

it('describes the collection of garbage', async (t) => {
  const all = await described(t)
  const { harness } = all
  const { token } = await json<{ token: string }>(await harness.request('/token', { headers: { authorization: '' } }))
  const anonymous = { authorization: `Bearer ${token}` }
  const long = ' '.repeat(100_000)
  const steps: Step[] = [
    ['GET', 404],
    ['GET', 401, { headers: { authorization: 'Basic wrong' } }],
    ['POST', 400, { body: '{"dryRun":1}' }],
    ['POST', 413, { body: long }],
    ['DELETE', 404],
    ['GET', 401, { headers: anonymous }],
    ['POST', 202, { body: '{"dryRun":true,"untagged":true,"graceSeconds":0}' }],
    ['GET', 200]
  ]
  await take(all, COLLECTION, steps)
})

it('describes read-only mode', async (t) => {
  await take(await described(t), READ_ONLY, [
    ['GET', 401, { headers: { authorization: 'Basic wrong' } }],
    ['PUT', 401, { headers: { authorization: 'Basic wrong' } }],
    ['GET', 200],
    ['PUT', 400, { body: '{}' }],
    ['PUT', 413, { body: ' '.repeat(100_000) }],
    ['PUT', 200, { body: '{"readOnly":true,"reason":"for the test"}' }],
    ['GET', 200]
  ])
})

it('describes events', async (t) => {
  const webhooks = [{ name: 'one', url: 'http://127.0.0.1:1/', actions: EVENT_ACTIONS }]
  const all = await described(t, { webhooks })
  const wrong = { headers: { authorization: 'Basic wrong' } }
  await take(all, '/api/v1/events', [
    ['GET', 200],
    ['GET', 401, wrong]
  ])
  await take(all, '/api/v1/events/replay', [
    ['POST', 202, { body: '{"webhook":"one"}' }],
    ['POST', 400, { body: '{"after":-1}' }],
    ['POST', 401, wrong],
    ['POST', 404, { body: '{"webhook":"two"}' }],
    ['POST', 413, { body: ' '.repeat(100_000) }]
  ])
  assert.equal((await all.harness.request('/api/v1/events?n=many')).status, 400)
})

it('describes backups', async (t) => {
  const all = await described(t)
  const { document, harness } = all
  const wrong = { headers: { authorization: 'Basic wrong' } }
  const begun = Array.from({ length: 4 }, (): Step => ['POST', 201])
  await take(all, BACKUPS, [...begun, ['POST', 409], ['POST', 401, wrong]])
  const none = `${BACKUPS}/00000000-0000-0000-0000-000000000000`
  assert.deepEqual(
    Object.keys(document.paths).filter((path) => path.startsWith(BACKUPS)),
    [BACKUPS, `${BACKUPS}/{id}`, `${BACKUPS}/{id}/snapshot`, `${BACKUPS}/{id}/blobs/{digest}`]
  )
  assert.equal((await harness.request(none, { method: 'DELETE' })).status, 404)
  for (const path of ['/snapshot', `/blobs/${missing}`]) {
    assert.equal((await harness.request(none + path)).status, 404)
    assert.equal((await harness.request(none + path, wrong)).status, 401)
  }
  assert.equal((await harness.request(`${none}/blobs/sha256:12`)).status, 400)
})

it('describes blobs of upstreams', async (t) => {
  const upstream = await FakeUpstream.start(t)
  const layer = Buffer.from('a layer of an upstream')
  upstream.image('library/app', '1', [layer])
  const all = await described(t, { upstreams: [{ host: 'docker.io', url: upstream.url }] })
  const check = checker(all.document)
  const answers = all.document.paths[`${FILLS}/{digest}`]?.get?.responses
  const ask = async (rest: string, headers = {}) => await all.harness.request(`${FILLS}/${rest}`, { headers })
  const found = await ask(`${digestOf(layer)}?repository=docker.io/library/app`)
  assert.equal(found.status, 200)
  const schema = answers?.['200']?.content?.['application/json']?.schema
  assert.ok(schema)
  check(schema, await found.json(), 'a fill')
  assert.equal((await ask('sha256:12?repository=docker.io/library/app')).status, 400)
  assert.equal((await ask(`${missing}?repository=app`)).status, 404)
  assert.equal((await ask(missing, { authorization: 'Basic wrong' })).status, 401)
})
