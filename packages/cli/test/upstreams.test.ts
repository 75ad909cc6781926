import assert from 'node:assert/strict'
import { it } from 'node:test'
import { upstreamsFrom } from '../src/commands/upstream-options.ts'
import { parseUpstream, parseUpstreams } from '../src/values/upstreams.ts'

it('reads an upstream by its host, with or without its URL', () => {
  assert.deepEqual(parseUpstream('docker.io'), { host: 'docker.io', url: 'https://registry-1.docker.io' })
  assert.deepEqual(parseUpstream('quay.io'), { host: 'quay.io', url: 'https://quay.io' })
  const plain = { host: 'docker.io', url: 'http://10.0.0.5:5000', plainHttp: true }
  assert.deepEqual(parseUpstream('docker.io=http://10.0.0.5:5000'), plain)
  assert.throws(() => parseUpstream('[::1]:5000'), /"\[::1\]:5000" is not the host of an upstream/)
  assert.throws(() => parseUpstream('docker.io=ftp://x'), /is not a server URL/)
})

it('reads upstreams with all that can be said of them', () => {
  const json = `[{"host":"docker.io","username":"ci","password-file":"/p","allow":["library/*"],"deny":"library/evil",
    "requests":4,"bandwidth":"50MB/s","tag-ttl":"5m","keep-pulled-days":7,"range-miss":"part"}]`
  assert.deepEqual(parseUpstreams(json), [
    {
      host: 'docker.io',
      url: 'https://registry-1.docker.io',
      username: 'ci',
      passwordFile: '/p',
      allow: ['library/*'],
      deny: ['library/evil'],
      requests: 4,
      bytesPerSecond: 50_000_000,
      tagTtlMs: 300_000,
      keepPulledMs: 604_800_000,
      rangeMiss: 'part'
    }
  ])
})

it('names the entry and the key of what is wrong', () => {
  const cases = [
    ['{}', /is not a list/],
    ['[{"url":"https://x"}]', /^\[0\]\.host: is missing/],
    ['[{"host":"a.b"},{"host":"a.b"}]', /^\[1\]\.host: "a\.b" is in \[0\]/],
    ['[{"host":"a.b","url":"http://a.b"}]', /^\[0\]\.url: http:\/\/a\.b is plain HTTP/],
    ['[{"host":"a.b","username":"x"}]', /^\[0\]: give username and password-file/],
    ['[{"host":"a.b","bandwith":"1MB/s"}]', /^\[0\]\.bandwith: there is no such key; did you mean bandwidth\?/],
    ['[{"host":"a.b","requests":0}]', /^\[0\]\.requests/],
    ['[{"host":"a.b","range-miss":"all"}]', /^\[0\]\.range-miss/],
    ['[{"host":"a.b","allow":["A"]}]', /^\[0\]\.allow/]
  ] as const
  for (const [json, message] of cases) assert.throws(() => parseUpstreams(json), { message }, json)
})

it('reads secrets from files, and says which cannot be read', async () => {
  const upstreams = parseUpstreams('[{"host":"docker.io","username":"ci","password-file":"/p"}]')
  const [config] = await upstreamsFrom({ upstream: [], upstreams }, { readFile: async () => 'secret\n' })
  assert.deepEqual(config?.credentials, { username: 'ci', password: 'secret' })
  const readFile = (): Promise<string> => Promise.reject(new Error('no such file'))
  await assert.rejects(upstreamsFrom({ upstream: [], upstreams }, { readFile }), /docker\.io: password-file.*\/p/)
  const twice = { upstream: [parseUpstream('docker.io')], upstreams }
  await assert.rejects(upstreamsFrom(twice, { readFile: async () => '' }), /more than one docker\.io/)
})
