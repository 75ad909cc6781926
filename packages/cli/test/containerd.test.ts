import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { checkContainerdConfig } from '../src/containerd/config-check.ts'
import { formatHostsToml, hostsTomlOrigin } from '../src/containerd/hosts-toml.ts'
import { configureHost, hostDirectories, restoreHost } from '../src/containerd/mirror-files.ts'
import { parseRegistryHost } from '../src/containerd/registry-host.ts'

const AGENT = 'http://127.0.0.1:5050'
const FOREIGN = 'server = "https://example.com"\n'

describe('hosts.toml', () => {
  it('sends pulls to the agent and falls through to the registry itself', () => {
    const text = formatHostsToml(AGENT, parseRegistryHost('docker.io'))
    assert.match(text, /^server = "https:\/\/registry-1\.docker\.io"$/m)
    assert.match(text, /^\[host\."http:\/\/127\.0\.0\.1:5050"\]\n {2}capabilities = \["pull", "resolve"\]$/m)
  })

  it('of all registries names no server, so that each falls through to its own', () => {
    assert.doesNotMatch(formatHostsToml(AGENT, undefined), /server/)
  })

  it('keeps root keys before the first table, as TOML wants it', () => {
    const text = formatHostsToml(AGENT, parseRegistryHost('ghcr.io'))
    assert.ok(text.indexOf('server =') < text.indexOf('[host'))
  })

  it('knows its own text from a changed one and from a foreign one', () => {
    const text = formatHostsToml(AGENT, undefined)
    assert.equal(hostsTomlOrigin(text), 'ours')
    assert.equal(hostsTomlOrigin(`${text}# mine\n`), 'changed')
    assert.equal(hostsTomlOrigin(FOREIGN), 'foreign')
    assert.equal(hostsTomlOrigin(''), 'foreign')
  })
})

describe('a folder of mirror configuration', () => {
  let root: string
  const registry = parseRegistryHost('http://10.0.0.1:5000')
  const path = (...names: string[]): string => join(root, ...names)
  const read = async (...names: string[]): Promise<string> => await readFile(path(...names), 'utf8')

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'shoal-test-'))
  })
  afterEach(async () => {
    await rm(root, { recursive: true, force: true })
  })

  it('is written, unchanged the second time, and taken away again', async () => {
    assert.deepEqual(await configureHost(root, undefined, AGENT), {
      path: path('_default', 'hosts.toml'),
      done: 'written'
    })
    assert.equal((await configureHost(root, undefined, AGENT)).done, 'unchanged')
    assert.deepEqual(await readdir(path('_default')), ['hosts.toml'])
    assert.equal((await restoreHost(path('_default')))?.done, 'removed')
    assert.deepEqual(await readdir(root), [])
  })

  it('has a folder for each registry, with its port', async () => {
    await configureHost(root, registry, AGENT)
    assert.match(await read('10.0.0.1:5000', 'hosts.toml'), /^server = "http:\/\/10\.0\.0\.1:5000"$/m)
    assert.deepEqual(await hostDirectories(root), [path('10.0.0.1:5000')])
  })

  it('uses the folder that containerd would read first', async () => {
    await mkdir(path('10.0.0.1_5000_'))
    const change = await configureHost(root, registry, AGENT)
    assert.equal(change.path, path('10.0.0.1_5000_', 'hosts.toml'))
  })

  it('follows the agent to another address without keeping its own old file', async () => {
    await configureHost(root, undefined, AGENT)
    await configureHost(root, undefined, 'http://127.0.0.1:6060')
    assert.deepEqual(await readdir(path('_default')), ['hosts.toml'])
    assert.match(await read('_default', 'hosts.toml'), /6060/)
  })

  it('keeps a foreign file and puts it back', async () => {
    await mkdir(path('_default'))
    await writeFile(path('_default', 'hosts.toml'), FOREIGN)
    const change = await configureHost(root, undefined, AGENT)
    assert.equal(change.backup, path('_default', 'hosts.toml.before-shoal'))
    assert.equal(await read('_default', 'hosts.toml.before-shoal'), FOREIGN)
    assert.equal((await configureHost(root, undefined, 'http://127.0.0.1:1')).backup, undefined)
    assert.equal((await restoreHost(path('_default')))?.done, 'restored')
    assert.equal(await read('_default', 'hosts.toml'), FOREIGN)
    assert.deepEqual(await readdir(path('_default')), ['hosts.toml'])
  })

  it('never loses what was changed by hand', async () => {
    await mkdir(path('_default'))
    await writeFile(path('_default', 'hosts.toml'), FOREIGN)
    await configureHost(root, undefined, AGENT)
    const changed = `${await read('_default', 'hosts.toml')}# mine\n`
    await writeFile(path('_default', 'hosts.toml'), changed)
    assert.equal((await restoreHost(path('_default')))?.done, 'kept')
    assert.equal((await configureHost(root, undefined, AGENT)).backup, path('_default', 'hosts.toml.before-shoal.2'))
    assert.equal(await read('_default', 'hosts.toml.before-shoal'), FOREIGN)
    assert.equal(await read('_default', 'hosts.toml.before-shoal.2'), changed)
  })

  it('has nothing to restore where nothing is ours', async () => {
    await mkdir(path('docker.io'))
    await writeFile(path('docker.io', 'hosts.toml'), FOREIGN)
    assert.equal(await restoreHost(path('docker.io')), undefined)
    assert.equal(await restoreHost(path('absent')), undefined)
    assert.equal(await read('docker.io', 'hosts.toml'), FOREIGN)
    assert.deepEqual(await hostDirectories(path('absent')), [])
  })
})

describe("containerd's configuration", () => {
  const FILE = '/etc/containerd/config.toml'
  const DIR = '/etc/containerd/certs.d'
  const check = (text: string | undefined, directory = DIR): string[] => checkContainerdConfig(text, FILE, directory)
  const v2 = (line: string): string => `version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n  ${line}\n`
  const v3 = (line: string): string => `version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\n  ${line}\n`

  it('is fine when it names the folder', () => {
    assert.deepEqual(check(v2(`config_path = "${DIR}"`)), [])
    assert.deepEqual(check(v2(`config_path = "/other:${DIR}/" # both`)), [])
    assert.deepEqual(check(v3(`config_path = '${DIR}'`)), [])
  })

  it('of containerd 2 is fine when it names none, for the folder that is the default', () => {
    assert.deepEqual(check(v3('')), [])
    assert.equal(check(v3(''), '/opt/certs.d').length, 1)
  })

  it('gets a warning that says what to add', () => {
    for (const text of [undefined, '', 'version = 2\n', v2('config_path = ""'), v2('# config_path = "x"')]) {
      const [warning, ...others] = check(text)
      assert.match(
        warning ?? '',
        /io\.containerd\.grpc\.v1\.cri"\.registry\] config_path = "\/etc\/containerd\/certs\.d"/
      )
      assert.deepEqual(others, [])
    }
  })

  it('gets a warning when it names another folder, or the mirrors of old', () => {
    assert.match(check(v2('config_path = "/other"'))[0] ?? '', /--config-dir \/other/)
    const old = `${v2(`config_path = "${DIR}"`)}[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]\n`
    assert.match(check(old)[0] ?? '', /registry\.mirrors/)
  })

  it("does not take another plugin's path for it", () => {
    assert.equal(check(`version = 2\n[plugins."other".registry]\nconfig_path = "${DIR}"\n`).length, 1)
  })
})
