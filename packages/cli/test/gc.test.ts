import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { it, type TestContext } from 'node:test'
import { DEFAULT_GRACE_MS } from '@shoal/registry'
import { DEFAULT_GRACE } from '../src/commands/gc.ts'
import { main } from '../src/main.ts'
import { parseDuration } from '../src/values/duration.ts'

const STATE = {
  id: 'one',
  status: 'running',
  dryRun: true,
  phase: 'blobs',
  progress: { done: 1, total: 4 },
  removed: { tags: 1, manifests: 2, links: 3, blobs: 4, bytes: 5_000_000 },
  removals: [
    { repository: 'app', tag: 'v1', digest: 'sha256:a' },
    { repository: 'app', digest: 'sha256:b' }
  ]
}

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void

async function serve(t: TestContext, answer: Answer): Promise<string> {
  const server = createServer(async (request, response) => {
    const pieces = await Array.fromAsync<Buffer>(request)
    answer(request, response, Buffer.concat(pieces).toString())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return `http://127.0.0.1:${address.port}`
}

async function run(argv: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  let stdout = ''
  let stderr = ''
  const code = await main(['gc', ...argv], {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
    environment: {},
    signal: new AbortController().signal,
    readFile: async (path) => {
      if (path === '/secret' || path === '/data/admin-password') return 'pass\n'
      throw new Error('there is no such file')
    }
  })
  return { code, stdout, stderr }
}

it('has the grace window of the registry', () => {
  assert.equal(parseDuration(DEFAULT_GRACE), DEFAULT_GRACE_MS)
})

it('begins a collection, shows how far it is, and says what it would remove', async (t) => {
  const asked: string[] = []
  const url = await serve(t, (request, response, body) => {
    asked.push(`${request.method} ${request.url} ${body}`)
    assert.equal(request.headers.authorization, `Basic ${Buffer.from('admin:pass').toString('base64')}`)
    response.statusCode = request.method === 'POST' ? 202 : 200
    response.end(JSON.stringify(request.method === 'POST' ? STATE : { ...STATE, status: 'done' }))
  })
  const { code, stdout, stderr } = await run([
    '--registry',
    url,
    '--password-file',
    '/secret',
    '--dry-run',
    '--grace',
    '1m'
  ])
  assert.equal(code, 0)
  assert.deepEqual(asked, ['POST /api/v1/gc {"dryRun":true,"untagged":false,"graceSeconds":60}', 'GET /api/v1/gc '])
  assert.match(stderr, /looking through blobs: 1 of 4 \(25%\); would free 5\.0 MB/)
  assert.equal(
    stdout,
    'would remove app:v1\nwould remove app@sha256:b\nand 1 more\na collection would remove 1 tag, 2 manifests, 4 blobs: 5.0 MB\n'
  )
})

it('says what is wrong', async (t) => {
  const problem = { detail: 'a collection is under way' }
  for (const [status, body, message] of [
    [401, '', /does not take the password/],
    [409, JSON.stringify(problem), /a collection is under way/],
    [500, 'oops', /answered 500/],
    [200, '{}', /not of a Shoal registry/]
  ] as const) {
    const url = await serve(t, (_, response) => {
      response.statusCode = status
      response.end(body)
    })
    const { code, stderr } = await run(['--registry', url, '--data', '/data'])
    assert.equal(code, 1, String(status))
    assert.match(stderr, message)
  }
  assert.match((await run(['--registry', 'http://127.0.0.1:1', '--data', '/data'])).stderr, /cannot ask .*--registry/)
  assert.match((await run(['--data', '/nowhere'])).stderr, /cannot read \/nowhere\/admin-password/)
})

it('cancels', async (t) => {
  const url = await serve(t, (request, response) => {
    assert.equal(request.method, 'DELETE')
    response.end(JSON.stringify({ ...STATE, dryRun: false, status: 'cancelled', removals: [] }))
  })
  const { code, stdout } = await run(['--registry', url, '--data', '/data', '--cancel'])
  assert.equal(code, 0)
  assert.match(stdout, /cancelled; removed so far: 1 tag/)
})
