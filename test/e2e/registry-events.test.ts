import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import path from 'node:path'
import { test } from 'node:test'
import { LocalRegistry } from '../harness/local-registry.ts'
import { temporaryFolder } from '../harness/temporary-folder.ts'

const PUSHERS = 4
/** Pushes that are acknowledged before the registry is killed. */
const PUSHES = 40
const KILLS = 2
const DEADLINE_MS = 60_000

interface Envelope {
  readonly events: readonly { readonly target: { readonly digest: string; readonly repository: string } }[]
}

test('every push that was acknowledged has its event after kill -9, in order within its repository', async (t) => {
  const got = new Map<string, string[]>()
  let isWell = true
  const server = createServer(async (request, response) => {
    const { events } = JSON.parse(Buffer.concat(await Array.fromAsync<Buffer>(request)).toString()) as Envelope
    if (!isWell) {
      response.writeHead(500).end()
      return
    }
    for (const { target } of events) {
      const list = got.get(target.repository) ?? []
      // What was on its way when the registry was killed comes twice.
      if (!list.includes(target.digest)) list.push(target.digest)
      got.set(target.repository, list)
    }
    response.writeHead(200).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const registry = new LocalRegistry(path.join(await temporaryFolder(t), 'registry'), [
    '--anonymous',
    'push',
    '--webhook',
    `http://127.0.0.1:${address.port}/`
  ])
  t.after(async () => await registry.stop())
  await registry.start()
  const acknowledged = new Map<string, string[]>()
  for (let kill = 0; kill < KILLS; kill++) {
    // The second time the receiver takes nothing before the registry is killed.
    isWell = kill === 0
    let pushed = 0
    const enough = Promise.withResolvers<void>()
    const pushers = Array.from({ length: PUSHERS }, async (_, pusher) => {
      const repository = `team/app${pusher}`
      for (let i = 0; ; i++) {
        const bytes = Buffer.from(`blob ${kill} ${pusher} ${i}`)
        const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
        const url = `${registry.http.url}/v2/${repository}/blobs/uploads/?digest=${digest}`
        const response = await fetch(url, { method: 'POST', body: bytes }).catch(() => undefined)
        if (response === undefined) return
        assert.equal(response.status, 201)
        acknowledged.set(repository, [...(acknowledged.get(repository) ?? []), digest])
        if (++pushed === PUSHES) enough.resolve()
      }
    })
    await Promise.race([enough.promise, Promise.all(pushers)])
    await registry.kill()
    await Promise.all(pushers)
    isWell = true
    await registry.start()
  }
  const until = performance.now() + DEADLINE_MS
  const missing = (): number =>
    [...acknowledged].flatMap(([repository, digests]) =>
      digests.filter((digest) => !got.get(repository)?.includes(digest))
    ).length
  while (missing() > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(missing(), 0, 'events that never came')
  for (const [repository, digests] of acknowledged) {
    // A push that was not acknowledged may have its event all the same.
    const came = got.get(repository)?.filter((digest) => digests.includes(digest))
    assert.deepEqual(came, digests, repository)
  }
})
