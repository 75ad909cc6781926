import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseRegistryHost } from '../src/containerd/registry-host.ts'
import { formatAddress, loopbackUrl, parseAddress } from '../src/values/address.ts'
import { choice } from '../src/values/choice.ts'
import { count } from '../src/values/count.ts'
import { MAX_DURATION_MS, parseDuration } from '../src/values/duration.ts'
import { parseMeshAddress } from '../src/values/mesh-address.ts'
import { formatPlatform, parsePlatform, platformOf } from '../src/values/platform.ts'
import { parseRate, parseSize } from '../src/values/size.ts'
import { parseServerUrl } from '../src/values/url.ts'
import { ValueError } from '../src/values/value-parser.ts'

const PARSERS = {
  parseSize,
  parseRate,
  parseAddress,
  parseMeshAddress,
  parseDuration,
  parseServerUrl,
  parsePlatform,
  parseRegistryHost,
  choice: choice('a', 'b').parse,
  count: count(1, 9).parse
}

describe('every parser', () => {
  it('answers any text with a value or a ValueError of one line', () => {
    for (const [name, parse] of Object.entries(PARSERS)) {
      fc.assert(
        fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (text) => {
          try {
            parse(text)
          } catch (error) {
            assert.ok(error instanceof ValueError, `${name}: ${error}`)
            assert.doesNotMatch(error.message, /\n/, name)
          }
        })
      )
    }
  })
})

describe('sizes', () => {
  it('read decimal and binary units', () => {
    const cases: [string, number][] = [
      ['64MiB', 64 * 2 ** 20],
      ['1.5GiB', 1.5 * 2 ** 30],
      ['200MB', 200e6],
      ['4096', 4096],
      ['0', 0],
      ['10 kb', 10_000],
      ['1B', 1]
    ]
    for (const [text, bytes] of cases) assert.equal(parseSize(text), bytes, text)
    assert.equal(parseRate('200MB/s'), 200e6)
    assert.equal(parseRate('1MiB'), 2 ** 20)
  })

  it('refuse what is none, and say what would be right', () => {
    for (const text of ['', 'MiB', '-1', '1e9', '12xb', '1..5GB', '0x10', '1,5GB', '200MB/s', '9999999TiB']) {
      assert.throws(() => parseSize(text), ValueError, text)
    }
    assert.throws(() => parseSize('12xb'), { message: /"12xb" is not a size; give .*64MiB/ })
  })

  it('keep whole numbers of a unit exact', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 20 }), fc.constantFrom('KiB', 'MiB', 'GiB'), (number, unit) => {
        const factor = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }[unit]
        assert.equal(parseSize(`${number}${unit}`), number * factor)
      })
    )
  })
})

describe('addresses', () => {
  it('come back from their text', () => {
    const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain())
    fc.assert(
      fc.property(host, fc.integer({ min: 0, max: 65535 }), (name, port) => {
        assert.deepEqual(parseAddress(formatAddress({ host: name, port })), { host: name, port })
      })
    )
  })

  it('want brackets around IPv6, and a port', () => {
    assert.deepEqual(parseAddress('[::]:5000'), { host: '::', port: 5000 })
    for (const text of ['::1:5000', ':5000', '127.0.0.1', '[::1]', '[10.0.0.1]:5', 'a:65536', 'http://a:80', 'a b:1']) {
      assert.throws(() => parseAddress(text), ValueError, text)
    }
  })

  it('without a host mean every private address, for the mesh only', () => {
    assert.deepEqual(parseMeshAddress(':5001'), { port: 5001 })
    assert.deepEqual(parseMeshAddress('[fd00::1]:5001'), { host: 'fd00::1', port: 5001 })
    assert.throws(() => parseMeshAddress(':x'), ValueError)
  })

  it('of all interfaces are reached on the loopback', () => {
    assert.equal(loopbackUrl({ host: '::', port: 1 }), 'http://127.0.0.1:1')
    assert.equal(loopbackUrl({ host: '::1', port: 1 }), 'http://[::1]:1')
  })
})

describe('durations', () => {
  it('are sums of numbers with units', () => {
    for (const [text, ms] of [
      ['300ms', 300],
      ['2.5s', 2500],
      ['1h30m', 5_400_000],
      ['1d', 86_400_000]
    ] as const) {
      assert.equal(parseDuration(text), ms, text)
    }
    for (const text of ['', '5', 's', '1w', '-1s', '1 s', '999d'])
      assert.throws(() => parseDuration(text), ValueError, text)
  })

  it('never exceed what a timer can wait', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 9 }), fc.constantFrom('ms', 's', 'm', 'h', 'd'), (number, unit) => {
        try {
          assert.ok(parseDuration(`${number}${unit}`) <= MAX_DURATION_MS)
        } catch (error) {
          assert.ok(error instanceof ValueError)
        }
      })
    )
  })
})

describe('server URLs', () => {
  it('are an origin, with or without a slash', () => {
    assert.equal(parseServerUrl('http://127.0.0.1:5050/'), 'http://127.0.0.1:5050')
    assert.equal(parseServerUrl('https://[::1]:5000'), 'https://[::1]:5000')
    for (const text of ['127.0.0.1:5050', 'ftp://a', 'http://a/v2', 'http://a?x', 'http://u:p@a', '']) {
      assert.throws(() => parseServerUrl(text), ValueError, text)
    }
  })

  it('do not repeat a password in the error', () => {
    assert.throws(
      () => parseServerUrl('http://user:hunter2@host'),
      (error: Error) => !error.message.includes('hunter2')
    )
  })
})

describe('registries for containerd', () => {
  it('know where the registry itself is', () => {
    const cases: [string, string, string][] = [
      ['docker.io', 'docker.io', 'https://registry-1.docker.io'],
      ['Registry.Example', 'registry.example', 'https://registry.example'],
      ['registry.example:5000', 'registry.example:5000', 'https://registry.example:5000'],
      ['http://10.0.0.1:5000', '10.0.0.1:5000', 'http://10.0.0.1:5000'],
      ['http://10.0.0.1:5000/', '10.0.0.1:5000', 'http://10.0.0.1:5000'],
      ['localhost:5000', 'localhost:5000', 'http://localhost:5000'],
      ['https://localhost:5000', 'localhost:5000', 'https://localhost:5000'],
      ['[fd00::1]:5000', '[fd00::1]:5000', 'https://[fd00::1]:5000']
    ]
    for (const [text, name, server] of cases) assert.deepEqual(parseRegistryHost(text), { name, server }, text)
  })

  it('cannot name another folder', () => {
    for (const text of ['..', '../x', 'a/b', '/etc', '.', 'a"b', 'a\nb', '']) {
      assert.throws(() => parseRegistryHost(text), ValueError, text)
    }
  })
})

describe('platforms', () => {
  it('come back from their text', () => {
    for (const text of ['linux/amd64', 'linux/arm64/v8', 'windows/amd64']) {
      assert.equal(formatPlatform(parsePlatform(text)), text)
    }
    for (const text of ['linux', 'linux/', '/amd64', 'linux/arm64/v8/x', 'Linux/amd64']) {
      assert.throws(() => parsePlatform(text), ValueError, text)
    }
  })

  it('of this machine are those of its images', () => {
    assert.deepEqual(platformOf('linux', 'x64'), { os: 'linux', architecture: 'amd64' })
    assert.deepEqual(platformOf('darwin', 'arm64'), { os: 'linux', architecture: 'arm64' })
  })
})
