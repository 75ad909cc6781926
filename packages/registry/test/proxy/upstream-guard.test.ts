import assert from 'node:assert/strict'
import type { LookupFunction } from 'node:net'
import { describe, it } from 'node:test'
import { upstreamGuard } from '../../src/proxy/upstream-guard.ts'

const ADDRESSES: Record<string, string> = {
  'hub.example': '93.184.216.34',
  'cdn.example': '93.184.216.35',
  'inside.example': '10.0.0.7'
}
const lookup: LookupFunction = (hostname, options, callback) => {
  const address = ADDRESSES[hostname] ?? '127.0.0.1'
  if (options.all === true) callback(null, [{ address, family: 4 }])
  else callback(null, address, 4)
}

async function resolve(guard: ReturnType<typeof upstreamGuard>, host: string): Promise<string> {
  return await new Promise((done, fail) => {
    assert.ok(guard.lookup)
    guard.lookup(host, {}, (error, found) => (error === null ? done(String(found)) : fail(error)))
  })
}

describe('where an upstream may send us', () => {
  it('from the Internet only to the Internet', async () => {
    const guard = upstreamGuard(new URL('https://hub.example'), lookup)
    assert.equal(await resolve(guard, 'hub.example'), '93.184.216.34')
    assert.equal(await resolve(guard, 'cdn.example'), '93.184.216.35')
    await assert.rejects(resolve(guard, 'inside.example'), { code: 'ADDRESS_REFUSED' })
    for (const url of [
      'https://169.254.169.254/',
      'https://[::1]/',
      'http://cdn.example/',
      'https://a:b@cdn.example/'
    ]) {
      assert.throws(() => guard.check?.(new URL(url)), { code: 'REGISTRY_UNREACHABLE' }, url)
    }
    guard.check?.(new URL('https://cdn.example/'))
  })

  it('even when its own name leads into the private network later', async () => {
    const guard = upstreamGuard(new URL('https://hub.example'), lookup)
    await resolve(guard, 'hub.example')
    ADDRESSES['hub.example'] = '10.0.0.1'
    try {
      await resolve(guard, 'hub.example')
      await assert.rejects(resolve(guard, 'inside.example'), { code: 'ADDRESS_REFUSED' })
    } finally {
      ADDRESSES['hub.example'] = '93.184.216.34'
    }
  })

  it('from a private network anywhere', async () => {
    const named = upstreamGuard(new URL('http://inside.example:5000'), lookup)
    assert.equal(await resolve(named, 'inside.example'), '10.0.0.7')
    assert.equal(await resolve(named, 'other.example'), '127.0.0.1')
    const literal = upstreamGuard(new URL('http://127.0.0.1:5000'), lookup)
    literal.check?.(new URL('http://10.1.2.3/'))
    assert.equal(await resolve(literal, 'inside.example'), '10.0.0.7')
  })
})
