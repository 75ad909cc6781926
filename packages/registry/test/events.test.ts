import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import { it, type TestContext } from 'node:test'
import { MEDIA_TYPES } from '@shoal/oci'
import type { Webhook } from '@shoal/registry'
import { basic, type Harness, json, prepareRegistry, pushBlob, pushImage, startRegistry } from './harness.ts'

interface Received {
  readonly path: string
  readonly type: string
  readonly signature: string
  readonly body: string
}

interface Notification {
  readonly id: string
  readonly action: string
  readonly count?: number
  readonly target: { repository?: string; tag?: string; digest?: string; mediaType?: string; url?: string }
  readonly actor: { name?: string }
}

type Answer = (received: Received, response: ServerResponse) => void

/** Something that takes events. */
class Receiver {
  readonly all: Received[] = []
  url = ''
  answer: Answer = (_, response) => void response.writeHead(204).end()
  #wake: () => void = () => undefined

  async start(t: TestContext): Promise<this> {
    const server = createServer(async (request, response) => {
      const body = Buffer.concat(await Array.fromAsync<Buffer>(request)).toString()
      const { 'content-type': type = '', 'shoal-signature': signature = '' } = request.headers
      const received = { path: request.url ?? '', type, signature: String(signature), body }
      this.all.push(received)
      this.answer(received, response)
      this.#wake()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.after(() => {
      server.closeAllConnections()
      server.close()
    })
    const address = server.address()
    assert.ok(typeof address === 'object' && address !== null)
    this.url = `http://127.0.0.1:${address.port}`
    return this
  }

  /** Resolves when so many requests have come. */
  async until(done: () => boolean): Promise<void> {
    while (!done()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Those that came to a path, as docker-distribution notifications. */
  notifications(path = '/'): Notification[] {
    return this.all
      .filter((each) => each.path === path)
      .flatMap(({ body }) => (JSON.parse(body) as { events: Notification[] }).events)
  }
}

const short = (event: Notification): string =>
  `${event.action} ${event.target.repository}${event.target.tag === undefined ? '' : `:${event.target.tag}`}`

async function listed(harness: Harness, query = ''): Promise<{ events: { seq: number }[]; webhooks: object[] }> {
  return await json(await harness.request(`/api/v1/events${query}`, { headers: basic() }))
}

const hook = (receiver: Receiver, extras: Partial<Webhook> = {}): Webhook => ({
  name: 'one',
  url: `${receiver.url}/`,
  backoffMaxMs: 20,
  ...extras
})

it('tells of pushes, mounts, pulls and deletes as docker-distribution does, signed', async (t) => {
  const receiver = await new Receiver().start(t)
  const actions = ['push', 'mount', 'delete', 'pull'] as const
  const harness = await startRegistry(t, { webhooks: [hook(receiver, { actions, secret: 'quiet' })] })
  const { digest } = await pushImage(harness, 'team/app', 'v1')
  const blob = await pushBlob(harness, 'team/app', Buffer.from('more'))
  await harness.request(`/v2/other/blobs/uploads/?mount=${blob}&from=team/app`, { method: 'POST' })
  await (await harness.request('/v2/team/app/manifests/v1')).arrayBuffer()
  await (await harness.request(`/v2/team/app/manifests/${digest}`, { method: 'HEAD' })).arrayBuffer()
  await receiver.until(() => receiver.notifications().some(({ action }) => action === 'pull'))
  await harness.request('/v2/team/app/manifests/v1', { method: 'DELETE', headers: basic() })
  await harness.request(`/v2/team/app/manifests/${digest}`, { method: 'DELETE' })
  await harness.request(`/v2/team/app/blobs/${blob}`, { method: 'DELETE' })
  await receiver.until(() => receiver.notifications().filter(({ action }) => action === 'delete').length === 3)
  const app = receiver.notifications().filter(({ target }) => target.repository === 'team/app')
  assert.deepEqual(app.map(short), [
    'push team/app',
    'push team/app',
    'push team/app:v1',
    'push team/app',
    'pull team/app:v1',
    'delete team/app:v1',
    'delete team/app',
    'delete team/app'
  ])
  const push = app[2]
  assert.equal(push?.target.digest, digest)
  assert.equal(push?.target.mediaType, MEDIA_TYPES.ociManifest)
  assert.equal(push?.target.url, `http://127.0.0.1:${harness.port}/v2/team/app/manifests/${digest}`)
  assert.equal(app[5]?.actor.name, 'admin')
  const first = receiver.all[0]
  assert.ok(first)
  assert.equal(first.type, 'application/vnd.docker.distribution.events.v2+json')
  const [, seconds, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(first.signature) ?? []
  assert.equal(mac, createHmac('sha256', 'quiet').update(`${seconds}.${first.body}`).digest('hex'))
})

it('gives each webhook what it asked for, in its format', async (t) => {
  const receiver = await new Receiver().start(t)
  const webhooks: Webhook[] = [
    hook(receiver, { name: 'cloud', url: `${receiver.url}/cloud`, format: 'cloudevents', repositories: ['team/*'] }),
    hook(receiver, { name: 'old', url: `${receiver.url}/old`, format: 'docker-v1', actions: ['gc'] })
  ]
  const harness = await startRegistry(t, { webhooks })
  await pushBlob(harness, 'else', Buffer.from('x'))
  await pushBlob(harness, 'team/app', Buffer.from('x'))
  await harness.request('/api/v1/gc', { method: 'POST', headers: basic() })
  await receiver.until(() => receiver.all.length >= 3)
  const cloud = receiver.all.filter(({ path }) => path === '/cloud').map(({ body }) => JSON.parse(body))
  assert.deepEqual(new Set(cloud.map(({ type }) => type)), new Set(['shoal.blob.push', 'shoal.registry.gc']))
  const blob = cloud.find(({ type }) => type === 'shoal.blob.push')
  assert.equal(blob.specversion, '1.0')
  assert.equal(blob.source, 'urn:shoal:registry:peer')
  assert.match(blob.subject, /^team\/app@sha256:/)
  assert.equal(receiver.all.find(({ path }) => path === '/cloud')?.type, 'application/cloudevents+json; charset=utf-8')
  const old = receiver.all.filter(({ path }) => path === '/old')
  assert.deepEqual(
    old.map(({ type }) => type),
    ['application/vnd.docker.distribution.events.v1+json']
  )
})

it('gathers pulls of the same thing, and keeps nothing where nobody listens', async (t) => {
  const receiver = await new Receiver().start(t)
  const harness = await startRegistry(t, { webhooks: [hook(receiver, { actions: ['pull'] })] })
  const digest = await pushBlob(harness, 'app', Buffer.from('blob'))
  for (let i = 0; i < 5; i++) await (await harness.request(`/v2/app/blobs/${digest}`)).arrayBuffer()
  await receiver.until(() => receiver.all.length > 0)
  const pulls = receiver.notifications()
  assert.equal(
    pulls.reduce((sum, { count = 1 }) => sum + count, 0),
    5
  )
  assert.ok(pulls.length < 5)
  const silent = await startRegistry(t)
  await pushImage(silent, 'app', 'v1')
  assert.deepEqual(await listed(silent), { events: [], webhooks: [] })
})

it('delivers everything in order once a webhook is well again, over a restart; another is not held up', async (t) => {
  const receiver = await new Receiver().start(t)
  const isWell = { value: false }
  receiver.answer = ({ path }, response) => {
    if (path === '/' && !isWell.value) {
      // Down, failing, or elsewhere.
      const way = receiver.all.length % 3
      if (way === 0) response.destroy()
      else response.writeHead(way === 1 ? 500 : 302, { location: '/elsewhere' }).end()
    } else response.writeHead(200).end('thanks')
  }
  const webhooks = [hook(receiver), hook(receiver, { name: 'two', url: `${receiver.url}/two` })]
  const harness = await prepareRegistry(t, { webhooks })
  await harness.registry.start()
  for (let i = 0; i < 10; i++) await pushImage(harness, i % 2 === 0 ? 'even' : 'odd', `v${i}`)
  await receiver.until(() => receiver.notifications('/two').length >= 30)
  await receiver.until(() => receiver.notifications().length >= 5)
  await harness.registry.stop()
  await harness.registry.start()
  await pushImage(harness, 'even', 'v10')
  const before = receiver.all.length
  await receiver.until(() => receiver.all.length > before + 5)
  isWell.value = true
  receiver.all.length = 0
  await receiver.until(() => receiver.notifications().length >= 33)
  for (const repository of ['even', 'odd']) {
    const tags = receiver.notifications().filter(({ target }) => target.repository === repository && target.tag)
    const expected = [...Array(11).keys()].filter((i) => (i % 2 === 0) === (repository === 'even'))
    const seen = [...new Map(tags.map((each) => [each.id, each.target.tag])).values()]
    assert.deepEqual(
      seen,
      expected.map((i) => `v${i}`),
      repository
    )
  }
  assert.ok(!receiver.all.some(({ path }) => path === '/elsewhere'), 'redirects are not followed')
  assert.match(await harness.metrics.metrics(), /shoal_events_failed_total\{webhook="one"\} [1-9]/)
})

it('lists events, and sends them again', async (t) => {
  const receiver = await new Receiver().start(t)
  const harness = await startRegistry(t, { webhooks: [hook(receiver)] })
  await pushImage(harness, 'app', 'v1')
  await pushBlob(harness, 'other', Buffer.from('b'))
  await receiver.until(() => receiver.all.length === 4)
  const ids = receiver.notifications().map(({ id }) => id)
  const { events } = await listed(harness)
  assert.equal(events.length, 4)
  assert.equal((await listed(harness, '?repository=other')).events.length, 1)
  assert.equal((await listed(harness, `?n=1&last=${events[0]?.seq}`)).events[0]?.seq, events[1]?.seq)
  const replay = async (body: object): Promise<Response> =>
    await harness.request('/api/v1/events/replay', { method: 'POST', headers: basic(), body: JSON.stringify(body) })
  assert.equal((await replay({ webhook: 'none' })).status, 404)
  assert.equal((await replay({ after: 'x' })).status, 400)
  const response = await replay({ webhook: 'one', repository: 'app' })
  assert.deepEqual(await response.json(), { events: 3 })
  await receiver.until(() => receiver.all.length === 7)
  const again = receiver.notifications().slice(4)
  assert.deepEqual(
    again.map(({ id }) => id),
    ids.filter((id) => again.some((each) => each.id === id))
  )
  assert.equal((await harness.request('/api/v1/events')).status, 401)
})

it('does not wait for an answer that drips or does not end', async (t) => {
  const receiver = await new Receiver().start(t)
  receiver.answer = (_, response) => {
    response.writeHead(200)
    // Far more than is read of it, and no end.
    response.write(Buffer.alloc(1024 * 1024))
  }
  const harness = await startRegistry(t, { webhooks: [hook(receiver, { timeoutMs: 300 })] })
  await pushImage(harness, 'app', 'v1')
  await receiver.until(() => receiver.all.length >= 3)
  assert.equal(new Set(receiver.notifications().map(({ id }) => id)).size, 3)
})
