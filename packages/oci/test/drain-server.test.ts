import assert from 'node:assert/strict'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { drainServer } from '../src/index.ts'

/** A server of which each response is given to `onRequest`, as what `drainServer` takes. */
async function start(onRequest: (response: ServerResponse) => void) {
  const server = createServer((_request, response) => onRequest(response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()))
  return { app: { server, close }, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
}

describe('a server that is drained', () => {
  it('ends with the last request, though its client keeps the connection', async () => {
    const { app, url } = await start((response) => response.write('some'))
    const responses: ServerResponse[] = []
    app.server.on('request', (_request, response: ServerResponse) => responses.push(response))
    const body = (await fetch(url, { headers: { connection: 'keep-alive' } })).text()
    const drained = drainServer(app)
    responses[0]?.end(' more')
    assert.equal(await body, 'some more')
    await drained
  })

  it('cuts requests that take too long', async () => {
    const { app, url } = await start((response) => response.write('some'))
    const response = await fetch(url)
    await drainServer(app, 20)
    await assert.rejects(response.text())
  })
})
