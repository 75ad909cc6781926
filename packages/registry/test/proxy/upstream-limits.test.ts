import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { digestOf } from '@shoal/oci'
import { sendHead } from './fake-upstream.ts'
import { blobPath, bytesOf, layer, startSite, until } from './proxy-site.ts'

describe('the limits of an upstream', () => {
  it('have requests wait for their turn, and refuse none', async (t) => {
    const { proxy, upstream } = await startSite(t, { requests: 1 })
    const layers = Array.from({ length: 4 }, () => randomBytes(200_000))
    const waiting: (() => void)[] = []
    upstream.fault = (request, response) => {
      const bytes = layers.find((each) => request.url?.includes(digestOf(each)) === true)
      if (bytes === undefined || request.method !== 'GET') return false
      sendHead(response, bytes, 1_000, () => waiting.push(() => response.end(bytes.subarray(1_000))))
      return true
    }
    upstream.image('library/many', '1', layers)
    await (await proxy.request('/v2/library/many/manifests/1?ns=docker.io')).text()
    const pulls = layers.map(async (each) => {
      const response = await proxy.request(`/v2/library/many/blobs/${digestOf(each)}?ns=docker.io`)
      return { status: response.status, bytes: await bytesOf(response) }
    })
    for (let left = layers.length; left > 0; left--) {
      await until(async () => {
        const queued = await proxy.metrics.metrics()
        return (
          waiting.length > 0 && queued.includes(`shoal_upstream_queue{host="docker.io",state="waiting"} ${left - 1}`)
        )
      })
      assert.equal(waiting.length, 1, 'one request at a time')
      waiting.pop()?.()
    }
    for (const [index, { bytes, status }] of (await Promise.all(pulls)).entries()) {
      assert.equal(status, 200)
      assert.deepEqual(bytes, layers[index])
    }
  })

  it('hold back its bytes', async (t) => {
    const bytesPerSecond = 4_000_000
    const { proxy } = await startSite(t, { bytesPerSecond })
    const began = performance.now()
    assert.deepEqual(await bytesOf(await proxy.request(blobPath)), layer)
    // A quarter of a second's bytes pass at once, and the last piece goes into debt.
    const least = layer.length / bytesPerSecond - 0.25 - 0.05
    assert.ok(performance.now() - began >= least * 1000, `${performance.now() - began} ms`)
  })

  it('say in the metrics that it does not answer', async (t) => {
    const { proxy, upstream } = await startSite(t)
    upstream.fault = (request) => {
      request.socket.destroy()
      return true
    }
    assert.equal((await proxy.request('/v2/app/manifests/1?ns=docker.io')).status, 502)
    assert.match(await proxy.metrics.metrics(), /shoal_upstream_up\{host="docker.io"\} 0/)
  })
})
