import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, it } from 'node:test'
import { digestOf, MEDIA_TYPES, RegistryClient, type RegistryClientInit } from '../src/index.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

/** A server whose handlers answer one request after the other; the last one answers all that follow. */
async function serve(...handlers: Handler[]): Promise<{ url: string; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    const handler = handlers[Math.min(requests.length, handlers.length - 1)]
    requests.push(request)
    request.resume()
    request.once('end', () => handler?.(request, response))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

function clientOf(url: string, more: Partial<RegistryClientInit> = {}): RegistryClient {
  // No randomness means the shortest back-off.
  const client = new RegistryClient({ url, random: () => 0, ...more })
  cleanups.push(() => client.close())
  return client
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(body))
}

const blob = Buffer.alloc(300_000, 'abcdefg')
const digest = digestOf(blob)
const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: 'a/b', digest, size: 1 },
    layers: []
  })
)
const manifestDigest = digestOf(manifest)
const sendManifest: Handler = (_request, response) => {
  response.writeHead(200, {
    'content-type': MEDIA_TYPES.ociManifest,
    'docker-content-digest': manifestDigest,
    'content-length': manifest.length
  })
  response.end(manifest)
}
const sendRange: Handler = (request, response) => {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
  const part = blob.subarray(Number(first ?? 0), last === undefined ? blob.length : Number(last) + 1)
  const headers =
    first === undefined ? {} : { 'content-range': `bytes ${first}-${Number(first) + part.length - 1}/${blob.length}` }
  response.writeHead(first === undefined ? 200 : 206, { ...headers, 'content-length': part.length })
  response.end(part)
}
const answer =
  (status: number, headers: Record<string, string> = {}, body = ''): Handler =>
  (_request, response) => {
    response.writeHead(status, headers)
    response.end(body)
  }

describe('authentication', () => {
  it('fetches a token from where the challenge says, and uses it again', async () => {
    const tokens = await serve((request, response) => {
      assert.equal(request.headers.authorization, `Basic ${Buffer.from('me:secret').toString('base64')}`)
      const query = new URL(request.url ?? '', 'http://x').searchParams
      assert.equal(query.get('service'), 'reg')
      assert.equal(query.get('scope'), 'repository:a:pull')
      response.end(JSON.stringify({ token: 'T', expires_in: 300 }))
    })
    const challenge = `Bearer realm="${tokens.url}/token",service="reg",scope="repository:a:pull"`
    const { url, requests } = await serve(answer(401, { 'www-authenticate': challenge }), sendManifest)
    const client = clientOf(url, { credentials: { username: 'me', password: 'secret' } })
    assert.equal((await client.getManifest('a', '1'))?.digest, manifestDigest)
    await client.getManifest('a', '1')
    assert.deepEqual(
      requests.map((request) => request.headers.authorization),
      [undefined, 'Bearer T', 'Bearer T']
    )
    assert.equal(tokens.requests.length, 1)
  })

  it('answers a Basic challenge, and says so when there is nothing to answer with', async () => {
    const { url, requests } = await serve(answer(401, { 'www-authenticate': 'Basic realm="r"' }), sendManifest)
    await clientOf(url, { credentials: { username: 'me', password: 'secret' } }).getManifest('a', '1')
    assert.match(requests[1]?.headers.authorization ?? '', /^Basic /)
    const closed = await serve(answer(401, { 'www-authenticate': 'Basic realm="r"' }))
    await assert.rejects(clientOf(closed.url).getManifest('a', '1'), { code: 'UNAUTHORIZED', message: /credentials/ })
  })

  it('never follows a redirect to another host with credentials', async () => {
    const elsewhere = await serve(sendRange)
    const { url } = await serve(
      answer(401, { 'www-authenticate': 'Basic realm="r"' }),
      answer(307, { location: `${elsewhere.url}/data` })
    )
    const found = await clientOf(url, { credentials: { username: 'me', password: 'secret' } }).getBlob('a', digest)
    assert.ok(found && (await collect(found.body)).equals(blob))
    assert.equal(elsewhere.requests[0]?.headers.authorization, undefined)
  })
})

describe('a blob', () => {
  it('comes in full, or in the part that was asked for', async () => {
    const { url } = await serve(sendRange)
    const client = clientOf(url)
    const whole = await client.getBlob('a', digest)
    assert.ok(whole && (await collect(whole.body)).equals(blob))
    const part = await client.getBlob('a', digest, { range: { start: 10, end: 2_000 } })
    assert.ok(part)
    assert.equal(part.size, blob.length)
    assert.ok((await collect(part.body)).equals(blob.subarray(10, 2_000)))
  })

  it('goes on where a broken answer ended', async () => {
    const cut: Handler = (_request, response) => {
      response.writeHead(200, { 'content-length': blob.length })
      response.write(blob.subarray(0, 100_000), () => response.destroy())
    }
    const { url, requests } = await serve(cut, sendRange)
    const found = await clientOf(url).getBlob('a', digest)
    assert.ok(found && (await collect(found.body)).equals(blob))
    assert.match(requests[1]?.headers.range ?? '', /^bytes=\d+-299999$/)
  })

  it('comes from a registry that knows no ranges too', async () => {
    const { url } = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': blob.length })
      response.end(blob)
    })
    const part = await clientOf(url).getBlob('a', digest, { range: { start: 1_000, end: 250_000 } })
    assert.ok(part && (await collect(part.body)).equals(blob.subarray(1_000, 250_000)))
  })

  it('that breaks again and again fails, and does not end as if it were whole', async () => {
    const cut: Handler = (_request, response) => {
      response.writeHead(206, { 'content-range': `bytes 0-299999/${blob.length}`, 'content-length': blob.length })
      response.flushHeaders()
      response.destroy()
    }
    const { url } = await serve(cut)
    const client = clientOf(url, { attempts: 2 })
    await assert.rejects(async () => {
      const found = await client.getBlob('a', digest)
      if (found !== undefined) await collect(found.body)
    })
  })

  it('is pushed with POST and PUT, unless it is there', async () => {
    const { url, requests } = await serve(
      answer(404),
      answer(202, { location: '/v2/a/blobs/uploads/1?state=x' }),
      answer(201),
      answer(200, { 'content-length': String(blob.length) })
    )
    const client = clientOf(url)
    const open = async function* () {
      yield blob
    }
    assert.equal(await client.pushBlob('a', digest, blob.length, open), 'pushed')
    assert.equal(requests[2]?.url, `/v2/a/blobs/uploads/1?state=x&digest=${encodeURIComponent(digest)}`)
    assert.equal(requests[2]?.headers['content-length'], String(blob.length))
    assert.equal(await client.pushBlob('a', digest, blob.length, open), 'existed')
  })
})

describe('a manifest', () => {
  it('that is not what its digest says is refused', async () => {
    const { url } = await serve(answer(200, { 'content-type': MEDIA_TYPES.ociManifest }, '{"schemaVersion":2}'))
    await assert.rejects(clientOf(url).getManifest('a', manifestDigest), { code: 'MANIFEST_INVALID' })
  })

  it('that is too large is refused', async () => {
    const { url } = await serve(answer(200, {}, ' '.repeat(4 * 1024 * 1024 + 1)))
    await assert.rejects(clientOf(url).getManifest('a', '1'), /more than/)
  })

  it('that is not there is undefined', async () => {
    const { url } = await serve(answer(404, {}, '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'))
    assert.equal(await clientOf(url).getManifest('a', '1'), undefined)
    assert.equal(await clientOf(url).headManifest('a', '1'), undefined)
  })

  it('is asked for in full when HEAD does not say enough', async () => {
    const { url, requests } = await serve(answer(200, {}), sendManifest)
    const head = await clientOf(url).headManifest('a', '1')
    assert.deepEqual(head, { digest: manifestDigest, mediaType: MEDIA_TYPES.ociManifest, size: manifest.length })
    assert.equal(requests[1]?.method, 'GET')
  })

  it('is put under a tag', async () => {
    const { url, requests } = await serve(answer(201, { 'docker-content-digest': manifestDigest }))
    assert.equal(await clientOf(url).putManifest('a', '1', manifest, MEDIA_TYPES.ociManifest), manifestDigest)
    assert.equal(requests[0]?.headers['content-type'], MEDIA_TYPES.ociManifest)
  })
})

describe('a client', () => {
  it('tries again after 500 and after 429 with Retry-After', async () => {
    const { url, requests } = await serve(answer(500), answer(429, { 'retry-after': '0' }), sendManifest)
    assert.equal((await clientOf(url).getManifest('a', '1'))?.digest, manifestDigest)
    assert.equal(requests.length, 3)
  })

  it('passes on what the registry says', async () => {
    const { url } = await serve(answer(403, {}, '{"errors":[{"code":"DENIED","message":"not yours"}]}'))
    await assert.rejects(clientOf(url).getManifest('a', '1'), { code: 'DENIED', status: 403, message: /not yours/ })
  })

  it('lists tags page by page', async () => {
    const { url, requests } = await serve(
      answer(200, { link: '</v2/a/tags/list?last=2>; rel="next"' }, '{"tags":["1","2"]}'),
      answer(200, {}, '{"tags":["3"]}')
    )
    assert.deepEqual(await clientOf(url).listTags('a'), ['1', '2', '3'])
    assert.equal(requests[1]?.url, '/v2/a/tags/list?last=2')
  })

  it('says which registry cannot be reached', async () => {
    const { url } = await serve(answer(200))
    await cleanups.splice(0)[0]?.()
    await assert.rejects(clientOf(url, { attempts: 1 }).ping(), {
      code: 'REGISTRY_UNREACHABLE',
      host: new URL(url).host
    })
  })

  it('stops when it is told to', async () => {
    const controller = new AbortController()
    const { url } = await serve(() => controller.abort(new Error('enough')))
    await assert.rejects(clientOf(url).getManifest('a', '1', { signal: controller.signal }), /enough/)
  })

  it('refuses a URL that is none', () => {
    for (const url of ['', 'registry.example:5000', 'ftp://x']) {
      assert.throws(() => new RegistryClient({ url }), { code: 'NAME_INVALID' }, url)
    }
  })
})
