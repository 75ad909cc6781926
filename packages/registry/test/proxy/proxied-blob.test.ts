import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { digestOf } from '@shoal/oci'
import { sendHead } from './fake-upstream.ts'
import { blobPath, bytesOf, layer, layerDigest, startSite, until } from './proxy-site.ts'

describe('a proxied blob', () => {
  it('reaches the client while it arrives, all but its last bytes', async (t) => {
    const { proxy, upstream } = await startSite(t)
    const rest = Promise.withResolvers<void>()
    upstream.fault = (request, response) => {
      if (!request.url?.includes('/blobs/')) return false
      sendHead(response, layer, layer.length - 1, () => void rest.promise.then(() => response.end(layer.subarray(-1))))
      return true
    }
    const response = await proxy.request(blobPath)
    const reader = response.body?.getReader()
    assert.ok(reader)
    const first = await reader.read()
    assert.ok((first.value?.length ?? 0) > 0)
    assert.equal(await proxy.store.stat(layerDigest), undefined)
    rest.resolve()
    let length = first.value?.length ?? 0
    for (let part = await reader.read(); !part.done; part = await reader.read()) length += part.value.length
    assert.equal(length, layer.length)
  })

  it('is gone on with by range when the upstream breaks off, and with nobody there', async (t) => {
    const { proxy, upstream } = await startSite(t)
    let breaks = 2
    upstream.fault = (request, response) => {
      if (!request.url?.includes('/blobs/') || breaks-- !== 2) return false
      sendHead(response, layer, 1_500_000, () => setTimeout(() => response.destroy(), 100))
      return true
    }
    const abort = new AbortController()
    const response = await proxy.request(blobPath, { signal: abort.signal })
    await response.body?.getReader().read()
    abort.abort()
    await until(async () => (await proxy.store.stat(layerDigest)) !== undefined)
    const [first, second] = upstream.asked('/blobs/')
    assert.equal(first?.range, undefined)
    assert.match(second?.range ?? '', /^bytes=\d{6,}-2999999$/)
  })

  it('is gone on with from an upstream without ranges', async (t) => {
    const { proxy, upstream } = await startSite(t)
    upstream.ranges = false
    let isFirst = true
    upstream.fault = (request, response) => {
      if (!request.url?.includes('/blobs/') || !isFirst) return false
      isFirst = false
      sendHead(response, layer, 1_500_000, () => setTimeout(() => response.destroy(), 100))
      return true
    }
    assert.deepEqual(await bytesOf(await proxy.request(blobPath)), layer)
    assert.equal(upstream.asked('/blobs/').length, 2)
  })

  it('is never whole for anybody when it is wrong, and is fetched again', async (t) => {
    const { proxy, upstream } = await startSite(t)
    const wrong = Buffer.from(layer)
    wrong[17] = 255 - Number(wrong[17])
    let times = 1
    upstream.fault = (request, response) => {
      if (!request.url?.includes('/blobs/') || times-- <= 0) return false
      sendHead(response, wrong, wrong.length, () => response.end())
      return true
    }
    await assert.rejects(proxy.request(blobPath).then(bytesOf))
    assert.deepEqual(await bytesOf(await proxy.request(blobPath)), layer)
    times = 1_000
    const other = randomBytes(200_000)
    upstream.blobs.set(digestOf(other), randomBytes(200_000))
    times = 0
    await assert.rejects(
      proxy.request(`/v2/app/blobs/${digestOf(other)}?ns=docker.io`).then(async (response) => {
        if (response.status !== 200) throw new Error(`status ${response.status}`)
        await bytesOf(response)
      })
    )
    assert.equal(await proxy.store.stat(digestOf(other)), undefined)
    assert.match(await proxy.metrics.metrics(), /shoal_upstream_fills_total\{host="docker.io",result="wrong"\} [234]/)
  })

  it('answers HEAD and a far range without being fetched as a whole first', async (t) => {
    const big = randomBytes(6_000_000)
    const { proxy, upstream } = await startSite(t)
    upstream.image('library/big', '1', [big])
    await (await proxy.request('/v2/big/manifests/1?ns=docker.io')).text()
    const path = `/v2/big/blobs/${digestOf(big)}?ns=docker.io`
    const head = await proxy.request(path, { method: 'HEAD' })
    assert.equal(head.headers.get('content-length'), '6000000')
    assert.equal(upstream.asked('/blobs/').length, 0)
    const part = await proxy.request(path, { headers: { range: 'bytes=5999000-' } })
    assert.equal(part.status, 206)
    assert.equal(part.headers.get('content-range'), 'bytes 5999000-5999999/6000000')
    assert.deepEqual(await bytesOf(part), big.subarray(5_999_000))
    await until(async () => (await proxy.store.stat(digestOf(big))) !== undefined)
  })

  it('is fetched in parts only, where the operator wants that', async (t) => {
    const { proxy, upstream } = await startSite(t, { rangeMiss: 'part' })
    const part = await proxy.request(blobPath, { headers: { range: 'bytes=10-19' } })
    assert.deepEqual(await bytesOf(part), layer.subarray(10, 20))
    assert.deepEqual(
      upstream.asked('/blobs/', 'GET').map(({ range }) => range),
      ['bytes=10-19']
    )
  })

  it('that has another size than its manifest says leaves the place and the connection to the next one', async (t) => {
    const { proxy, upstream } = await startSite(t, { requests: 1 })
    const said = randomBytes(1_000)
    upstream.image('library/other', '1', [said])
    await (await proxy.request('/v2/other/manifests/1?ns=docker.io')).text()
    const ended = Promise.withResolvers<void>()
    upstream.fault = (request, response) => {
      if (!request.url?.includes(digestOf(said))) return false
      response.once('close', ended.resolve)
      sendHead(response, Buffer.alloc(2_000), 1_000, () => undefined)
      return true
    }
    const wrong = await proxy.request(`/v2/other/blobs/${digestOf(said)}?ns=docker.io`)
    assert.equal(wrong.status, 502)
    await ended.promise
    assert.deepEqual(await bytesOf(await proxy.request(blobPath, { signal: AbortSignal.timeout(5_000) })), layer)
  })

  it('and others like it leave a place for what is small', async (t) => {
    const { proxy, upstream } = await startSite(t, { requests: 2 })
    const layers = [randomBytes(200_000), randomBytes(200_000)]
    upstream.image('library/large', '1', layers)
    const held: (() => void)[] = []
    upstream.fault = (request, response) => {
      const bytes = layers.find((each) => request.url?.includes(digestOf(each)) === true)
      if (bytes === undefined) return false
      sendHead(response, bytes, 1_000, () => held.push(() => response.end(bytes.subarray(1_000))))
      return true
    }
    await (await proxy.request('/v2/large/manifests/1?ns=docker.io')).text()
    const pulls = layers.map(async (each) => await proxy.request(`/v2/large/blobs/${digestOf(each)}?ns=docker.io`))
    await until(() => held.length > 0)
    await until(async () => /_queue\{[^}]*"waiting"\} 1/.test(await proxy.metrics.metrics()) || held.length > 1)
    const manifest = await proxy.request('/v2/app/manifests/1?ns=docker.io', { signal: AbortSignal.timeout(5_000) })
    assert.equal(manifest.status, 200)
    held.shift()?.()
    await until(() => held.length > 0)
    held.shift()?.()
    for (const [index, pull] of pulls.entries()) assert.deepEqual(await bytesOf(await pull), layers[index])
  })

  it('that is nowhere is a 404, and one that cannot be asked for a 502', async (t) => {
    const { proxy, upstream } = await startSite(t)
    const path = `/v2/app/blobs/${digestOf(Buffer.from('no such'))}?ns=docker.io`
    for (const method of ['GET', 'HEAD']) assert.equal((await proxy.request(path, { method })).status, 404)
    upstream.fault = (_request, response) => {
      response.writeHead(503, { 'retry-after': '600' }).end()
      return true
    }
    assert.equal((await proxy.request(path)).status, 502)
  })

  it('goes on after a restart of the registry', async (t) => {
    const { proxy, upstream } = await startSite(t)
    let isFirst = true
    upstream.fault = (request, response) => {
      if (!request.url?.includes('/blobs/') || !isFirst) return false
      isFirst = false
      sendHead(response, layer, 2_000_000, () => undefined)
      return true
    }
    const response = await proxy.request(blobPath)
    await response.body?.getReader().read()
    await proxy.registry.stop()
    await proxy.registry.start()
    const again = await fetch(`http://127.0.0.1:${proxy.registry.address.port}${blobPath}`)
    assert.deepEqual(await bytesOf(again), layer)
    assert.match(upstream.asked('/blobs/').at(-1)?.range ?? '', /^bytes=\d{6,}-/)
  })
})
