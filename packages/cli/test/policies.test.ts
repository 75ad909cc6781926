import assert from 'node:assert/strict'
import { it } from 'node:test'
import { registryCommand } from '../src/commands/registry.ts'
import { main } from '../src/main.ts'
import { parsePolicies } from '../src/values/policies.ts'

it('reads policies', () => {
  const json = `[{"prefix":"team/","keep-tags":10,"keep-pulled-days":30,"immutable-tags":["v*","stable"],"quota":"50GiB"},
    {"prefix":"","delete-untagged":true,"immutable-tags":"v*"}]`
  assert.deepEqual(parsePolicies(json), [
    {
      prefix: 'team/',
      keepTags: 10,
      keepPulledMs: 2_592_000_000,
      immutableTags: ['v*', 'stable'],
      quotaBytes: 50 * 2 ** 30
    },
    { prefix: '', deleteUntagged: true, immutableTags: ['v*'] }
  ])
})

it('names the entry and the key of what is wrong', () => {
  const cases = [
    ['x', /"x" is not JSON/],
    ['{}', /is not a list/],
    ['[1]', /^\[0\]: 1 is not a mapping/],
    ['[{"quota":"1GiB"}]', /^\[0\]\.prefix: is missing/],
    ['[{"prefix":"a/"},{"prefix":"A"}]', /^\[1\]\.prefix: "A" is not/],
    ['[{"prefix":"a/"},{"prefix":"a/"}]', /^\[1\]\.prefix: "a\/" has a policy in \[0\]/],
    ['[{"prefix":"a/","quota":"12xb"}]', /^\[0\]\.quota: "12xb" is not a size/],
    ['[{"prefix":"a/","keep-tags":0}]', /^\[0\]\.keep-tags: "0" is not such a number/],
    ['[{"prefix":"a/","keep-pulled-days":"soon"}]', /^\[0\]\.keep-pulled-days: "soon"/],
    ['[{"prefix":"a/","immutable-tags":["v 1"]}]', /^\[0\]\.immutable-tags/],
    ['[{"prefix":"a/","delete-untagged":"yes"}]', /^\[0\]\.delete-untagged/],
    ['[{"prefix":"a/","keep-tag":1}]', /^\[0\]\.keep-tag: there is no such key; did you mean keep-tags\?/]
  ] as const
  for (const [json, message] of cases) {
    assert.throws(() => parsePolicies(json), { name: 'ValueError', message }, json)
  }
})

it('takes them from the file, and exits with 2 naming the file and the key', async () => {
  const file = 'policies:\n  - prefix: team/\n    keep-tags: ten\n'
  let said = ''
  const silent = { write: () => undefined }
  const code = await main([...registryCommand.words, '--config', 'shoal.yaml'], {
    stdout: silent,
    stderr: { write: (text: string) => (said += text) },
    environment: {},
    signal: new AbortController().signal,
    readFile: async () => file
  })
  assert.equal(code, 2)
  assert.match(said, /^shoal: shoal\.yaml: policies: \[0\]\.keep-tags: "ten" is not such a number/)
})
