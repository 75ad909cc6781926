import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { DEFAULT_FOREIGN_ADDRESSES, DEFAULT_FOREIGN_LAYERS, DEFAULT_SPARSE_IMAGES } from '@shoal/registry'
import { loadAdminPassword } from '../src/compose/secrets.ts'
import { withTeardown } from '../src/compose/teardown.ts'
import { CommandError, describeError } from '../src/errors.ts'
import { makeDirectories } from '../src/files.ts'
import { COMMANDS } from '../src/main.ts'
import { VERSION } from '../src/version.ts'
import { deafUrl, runShoal } from './support.ts'

const ADMISSION = 'shoal1.x.y'

describe('the command line', () => {
  it('has a help for shoal and for every command', async () => {
    const overview = await runShoal(['--help'])
    assert.equal(overview.code, 0)
    for (const { words, help } of COMMANDS) {
      const name = words.join(' ')
      assert.match(overview.stdout, new RegExp(`^  ${name}\\b`, 'm'), name)
      const own = await runShoal([...words, '--help'])
      assert.equal(own.code, 0, name)
      assert.doesNotMatch(own.stdout, /default [);]/, name)
      for (const option of Object.keys(help.options)) assert.match(own.stdout, new RegExp(`--${option}\\b`), name)
    }
  })

  it('has defaults that its own parsers read', () => {
    for (const { words, help } of COMMANDS) {
      for (const [name, { defaultText, parser }] of Object.entries(help.options)) {
        if (defaultText !== undefined)
          assert.doesNotThrow(() => parser.parse(defaultText), `${words.join(' ')} --${name}`)
      }
    }
  })

  it('has the defaults of the registry', () => {
    const { help } = COMMANDS.find(({ words }) => words.join(' ') === 'registry') ?? {}
    assert.equal(help?.options['sparse-images']?.defaultText, DEFAULT_SPARSE_IMAGES)
    assert.equal(help?.options['foreign-layers']?.defaultText, DEFAULT_FOREIGN_LAYERS)
    assert.equal(help?.options['foreign-addresses']?.defaultText, DEFAULT_FOREIGN_ADDRESSES)
  })

  it('says its version', async () => {
    assert.deepEqual(await runShoal(['--version']), { code: 0, stdout: `shoal ${VERSION}\n`, stderr: '' })
  })

  it('answers bad configuration with 2 and one line', async () => {
    const cases: [string[], RegExp][] = [
      [[], /COMMAND: is missing/],
      [['regisry'], /"regisry": .*did you mean "shoal registry"\?/],
      [['node'], /node: .*"shoal node configure" or "shoal node restore"/],
      [['status', 'extra'], /"extra": .*takes no arguments/],
      [['pull'], /REF: is missing/],
      [['pull', 'a:1'], /--output: is missing/],
      [['agent'], /--registry: is missing/],
      [['agent', '--registry', 'http://a'], /--join-token: is missing; give --join-token-file/],
      [['agent', '--registry', 'http://a', '--join-token', ADMISSION], /^shoal: --join-token: /],
      [['agent', '--registry', 'http://a', '--join-token-file', 'none'], /--join-token-file: cannot read none/],
      [['agent', '--registry', 'http://a', '--join-token-file', 'token'], /--join-token-file: token: a join token/],
      [['registry', '--anonymous', 'all'], /--anonymous: "all" .*none or pull or push/],
      [['registry', '--foreign-layers', 'keep'], /--foreign-layers: "keep" .*skip or proxy/],
      [['registry', '--config', 'bad.yaml'], /bad\.yaml: line 1: is not YAML/],
      [['up', '--agents', '0'], /--agents: "0" .*from 1 to/]
    ]
    for (const [argv, message] of cases) {
      const { code, stderr, stdout } = await runShoal(argv, { files: { token: 'nonsense', 'bad.yaml': '{' } })
      assert.equal(code, 2, argv.join(' '))
      assert.match(stderr, message)
      assert.match(stderr, /^[^\n]+\n$/)
      assert.equal(stdout, '')
    }
  })
})

describe('shoal status', () => {
  it('shows what an admin address says, for people and as it is', async () => {
    const document = {
      role: 'agent',
      version: '1.2.3',
      peerId: '12D3agent',
      zone: 'a\u001b[31m',
      uptimeSeconds: 7620,
      registry: { url: 'http://10.0.0.1:5000', reachable: false },
      admitted: true,
      peers: [
        {
          peerId: '12D3peer',
          address: '/ip4/10.0.0.2/tcp/5001',
          role: 'agent',
          zone: 'b',
          bytesReceived: 1e6,
          bytesSent: 2e6
        }
      ],
      store: { bytes: 203e6, blobs: 12, limitBytes: 10e9 },
      transfers: [
        {
          digest: `sha256:${'a'.repeat(64)}`,
          size: 100,
          verifiedBytes: 50,
          peers: 2,
          fromPeersBytes: 40,
          fromRegistryBytes: 10
        }
      ],
      bytesReceived: { peer: 75e6, registry: 25e6, upstream: 0 },
      bytesSent: { peer: 1, client: 2 },
      banned: 1
    }
    const server = createServer((_request, response) => response.end(JSON.stringify(document)))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const admin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    try {
      const table = await runShoal(['status', '--admin', admin])
      assert.equal(table.code, 0, table.stderr)
      for (const part of [
        'up',
        '2h 07m',
        'not reachable',
        '203.0 MB of 10.0 GB in 12 blobs',
        '75% from peers',
        '12D3peer  /ip4/10.0.0.2/tcp/5001',
        '50%'
      ]) {
        assert.ok(table.stdout.includes(part), part)
      }
      assert.ok(!table.stdout.includes('\u001b'), 'what a peer says must not steer the terminal')
      const json = await runShoal(['status', '--admin', admin, '--output', 'json'])
      assert.deepEqual(JSON.parse(json.stdout), document)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })

  it('says what to start when nothing listens', async () => {
    const { code, stderr } = await runShoal(['status', '--admin', await deafUrl()])
    assert.equal(code, 1)
    assert.match(
      stderr,
      /^shoal: nothing listens on http:\/\/127\.0\.0\.1:\d+; start "shoal agent" or "shoal registry".*\n$/
    )
  })
})

describe('shoal token show', () => {
  it('prints the token of a data folder, or says how there gets to be one', async () => {
    const argv = ['token', 'show', '--data', '/data']
    assert.deepEqual(await runShoal(argv, { files: { '/data/join-token': `${ADMISSION}\n` } }), {
      code: 0,
      stdout: `${ADMISSION}\n`,
      stderr: ''
    })
    const missing = await runShoal(argv)
    assert.equal(missing.code, 1)
    assert.match(missing.stderr, /cannot read \/data\/join-token: .*start "shoal registry" with this --data/)
  })
})

describe('commands on a folder', () => {
  let root: string
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'shoal-test-'))
  })
  afterEach(() => rm(root, { recursive: true, force: true }))

  it('node configure and node restore undo each other', async () => {
    const node = ['--runtime', 'containerd', '--config-dir', root]
    const configure = ['node', 'configure', ...node, '--registry', 'docker.io', '--registry', 'http://10.0.0.1:5000']
    const configured = await runShoal(configure)
    assert.equal(configured.code, 0, configured.stderr)
    assert.match(configured.stderr, /^warning: there is no \/etc\/containerd\/config\.toml/)
    assert.deepEqual((await readdir(root)).sort(), ['10.0.0.1:5000', 'docker.io'])
    assert.match((await runShoal(configure)).stdout, /^unchanged .*\nunchanged .*\n$/)
    const restored = await runShoal(['node', 'restore', ...node])
    assert.equal(restored.code, 0, restored.stderr)
    assert.deepEqual(await readdir(root), [])
    assert.match((await runShoal(['node', 'restore', ...node])).stdout, /^nothing to restore/)
  })

  it('folders are made with those above them, or the reason is told', async () => {
    await makeDirectories(join(root, 'a', 'b', 'c'))
    await makeDirectories(join(root, 'a', 'b', 'c'))
    assert.deepEqual(await readdir(join(root, 'a', 'b')), ['c'])
    await writeFile(join(root, 'file'), '')
    await assert.rejects(makeDirectories(join(root, 'file')), { code: 'EEXIST' })
    await assert.rejects(makeDirectories(join(root, 'file', 'below')), { code: 'ENOTDIR' })
  })

  it('a folder that cannot be made is an error that names the flag, where nobody can make one too', {
    skip: process.platform !== 'linux'
  }, async () => {
    const { code, stderr } = await runShoal(['registry', '--data', '/proc/shoal'])
    assert.equal(code, 1)
    assert.match(stderr, /^shoal: cannot make the folder \/proc\/shoal: .*--data\n$/)
  })

  it('the administrator has a password of his own, which stays', async () => {
    const file = join(root, 'admin-password')
    const password = await loadAdminPassword(file)
    assert.ok(password.length >= 32)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    assert.equal(await loadAdminPassword(file), password)
    assert.equal((await readFile(file, 'utf8')).trim(), password)
  })
})

describe('putting parts together', () => {
  it('takes apart what was there when a later part fails, the last first', async () => {
    const undone: string[] = []
    const failure = new Error('the third part failed')
    const building = withTeardown(async (teardown) => {
      teardown.add('first', () => undone.push('first'))
      teardown.add('second', () => {
        undone.push('second')
        throw new Error('cannot stop')
      })
      throw failure
    })
    await assert.rejects(building, failure)
    assert.deepEqual(undone, ['second', 'first'])
  })

  it('tells of an error and its causes in one line', () => {
    const error = new Error('cannot start', {
      cause: new Error('port\nis taken', { cause: new Error('port\nis taken') })
    })
    assert.equal(describeError(error), 'cannot start: port is taken')
    assert.equal(describeError(new CommandError('said', { cause: new Error('unsaid') })), 'said')
    assert.equal(describeError(new AggregateError([new Error('a'), new Error('b')])), 'a, b')
  })
})
