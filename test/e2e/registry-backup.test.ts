import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { MEDIA_TYPES } from '@shoal/oci'
import { waitFor } from '../harness/deadline.ts'
import { buildImage, pushImage, SMALL_IMAGE } from '../harness/image.ts'
import { LocalRegistry } from '../harness/local-registry.ts'
import { parseMetrics } from '../harness/metrics.ts'
import { ManagedProcess, run } from '../harness/process.ts'
import { described, RegistryHttp, sha256 } from '../harness/registry-client.ts'
import { withClients } from '../harness/registry-site.ts'
import { shoalCommand } from '../harness/shoal.ts'
import { temporaryFolder } from '../harness/temporary-folder.ts'

const REPOSITORY = 'load/app'
const LAYER_BYTES = 600_000
const PUSHERS = 4
const START_DEADLINE_MS = 60_000

/** Pushes an image of its own. @returns the digest of its manifest */
async function push(http: RegistryHttp, tag: string): Promise<string> {
  const config = Buffer.from(JSON.stringify({ tag, random: randomBytes(8).toString('hex') }))
  const layer = randomBytes(LAYER_BYTES)
  for (const bytes of [config, layer]) {
    const pushed = await http.pushBlob(REPOSITORY, bytes)
    assert.equal(pushed.status, 201, described('a blob', pushed))
  }
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: { mediaType: MEDIA_TYPES.ociConfig, digest: sha256(config), size: config.length },
      layers: [{ mediaType: MEDIA_TYPES.ociLayer, digest: sha256(layer), size: layer.length }]
    })
  )
  const put = await http.putManifest(REPOSITORY, tag, manifest, MEDIA_TYPES.ociManifest)
  assert.equal(put.status, 201, described(tag, put))
  return sha256(manifest)
}

/** Pulls an image, every byte of it checked. @returns the digest of its manifest */
async function pull(http: RegistryHttp, reference: string): Promise<string> {
  const manifest = await http.request('GET', `/v2/${REPOSITORY}/manifests/${reference}`)
  assert.equal(manifest.status, 200, described(reference, manifest))
  const { config, layers }: Manifest = JSON.parse(manifest.body.toString('utf8'))
  for (const { digest } of [config, ...layers]) {
    const blob = await http.request('GET', `/v2/${REPOSITORY}/blobs/${digest}`)
    assert.equal(sha256(blob.body), digest, `a blob of ${reference}`)
  }
  return sha256(manifest.body)
}

interface Manifest {
  readonly config: { readonly digest: string }
  readonly layers: readonly { readonly digest: string }[]
}

async function tagsOf(http: RegistryHttp): Promise<string[]> {
  const list: { tags: string[] } = JSON.parse(
    (await http.request('GET', `/v2/${REPOSITORY}/tags/list`)).body.toString('utf8')
  )
  return list.tags
}

async function backUp(registry: LocalRegistry, output: string): Promise<string> {
  const command = shoalCommand('backup', '--registry', registry.http.url, '--data', registry.directory)
  return await run([...command, '--output', output], { name: 'shoal backup' })
}

async function startLocal(t: TestContext, folder: string): Promise<LocalRegistry> {
  const registry = new LocalRegistry(folder)
  t.after(() => registry.kill())
  await registry.start()
  return registry
}

/** Starts `shoal standby` or `shoal agent` on free ports of the loopback, with the log on its output. */
async function startProcess(t: TestContext, ...args: readonly string[]): Promise<ManagedProcess> {
  const ports = ['listen', 'p2p-listen', 'lane-listen', 'admin-listen'].flatMap((name) => [`--${name}`, '127.0.0.1:0'])
  const started = await ManagedProcess.spawn(shoalCommand(...args, ...ports, '--log-format', 'json'), {
    name: `shoal ${args[0]}`
  })
  t.after(() => started.kill())
  return started
}

async function logged(server: ManagedProcess, key: string): Promise<string> {
  const found = await server.waitForOutput(new RegExp(`"${key}":"([^"]+)"`), START_DEADLINE_MS)
  return `http://${found[1]}`
}

describe('a backup', withClients('skopeo', 'umoci', 'busybox'), () => {
  it('that is taken while images are pushed is restored, whole, as a folder and as an archive', async (t) => {
    const folder = await temporaryFolder(t)
    const registry = await startLocal(t, path.join(folder, 'registry'))
    const image = await buildImage(SMALL_IMAGE)
    const credentials = await registryCredentials(registry)
    await pushImage(image, `${new URL(registry.http.url).host}/team/app`, { credentials })
    const pushed = new Map<string, string>()
    let isOver = false
    const pushers = Array.from({ length: PUSHERS }, async (_, pusher) => {
      for (let round = 0; !isOver; round++) {
        const tag = `p${pusher}-${round}`
        pushed.set(tag, await push(registry.http, tag))
      }
    })
    const backups = [path.join(folder, 'backup'), path.join(folder, 'backup.tar'), path.join(folder, 'backup')]
    const before: Map<string, string>[] = []
    for (const backup of backups) {
      await waitFor(async () => (pushed.size > (before.at(-1)?.size ?? 0) + PUSHERS ? true : undefined), {
        deadlineMs: START_DEADLINE_MS,
        what: 'pushes'
      })
      before.push(new Map(pushed))
      t.diagnostic(await backUp(registry, backup))
    }
    isOver = true
    await Promise.all(pushers)
    await registry.kill()
    for (const [backup, known] of [
      [backups[2], before[2]],
      [backups[1], before[1]]
    ] as const) {
      assert.ok(backup && known)
      const data = path.join(folder, `restored-${path.basename(backup)}`)
      await run(shoalCommand('restore', '--from', backup, '--data', data))
      const restored = await startLocal(t, data)
      const tags = await tagsOf(restored.http)
      t.diagnostic(`${tags.length} of ${pushed.size} images are in ${path.basename(backup)}`)
      for (const tag of tags) assert.equal(await pull(restored.http, tag), pushed.get(tag), tag)
      for (const tag of known.keys()) assert.ok(tags.includes(tag), `${tag} was acknowledged before the backup`)
      const from = `docker://${new URL(restored.http.url).host}/team/app:${image.tag}`
      const digest = await run(['skopeo', 'inspect', '--tls-verify=false', '--format', '{{.Digest}}', from])
      assert.equal(digest.trim(), image.digest)
      await restored.kill()
    }
  })
})

async function registryCredentials({ directory }: LocalRegistry): Promise<string> {
  return `admin:${(await readFile(path.join(directory, 'admin-password'), 'utf8')).trim()}`
}

describe('a standby', () => {
  it('serves a backup and seeds it once its registry is dead, and what a newer backup brought', async (t) => {
    const folder = await temporaryFolder(t)
    const registry = await startLocal(t, path.join(folder, 'registry'))
    const backup = path.join(folder, 'backup')
    await push(registry.http, 'v1')
    await backUp(registry, backup)
    const joining = ['--registry', registry.http.url, '--join-token-file', path.join(registry.directory, 'join-token')]
    const own = ['--data', path.join(folder, 'standby'), '--backup', backup]
    const standby = await startProcess(t, 'standby', ...own, ...joining)
    const credentials = await registryCredentials(registry)
    const served = new RegistryHttp(await logged(standby, 'address'), credentials)
    const admin = await logged(standby, 'admin')
    const second = await push(registry.http, 'v2')
    await backUp(registry, backup)
    await waitFor(async () => ((await tagsOf(served)).includes('v2') ? true : undefined), {
      deadlineMs: START_DEADLINE_MS,
      what: 'the newer backup'
    })
    const agent = await startProcess(t, 'agent', '--data', path.join(folder, 'agent'), ...joining)
    const mirror = await logged(agent, 'mirror')
    await waitFor(async () => (/"role":"agent"/.test(await page(admin, '/api/v1/status')) ? true : undefined), {
      deadlineMs: START_DEADLINE_MS,
      what: 'the agent and the standby meeting'
    })
    await registry.kill()
    assert.equal(await pull(served, 'v2'), second)
    assert.equal(await pull(new RegistryHttp(mirror, credentials), second), second)
    const sent = parseMetrics(await page(admin, '/metrics')).sum('shoal_bytes_sent_total', { to: 'peer' })
    assert.ok(sent >= LAYER_BYTES, `the standby sent ${sent} bytes to the agent`)
    const refused = await served.pushBlob(REPOSITORY, Buffer.from('new'))
    assert.equal(refused.status, 405, described('a push', refused))
    assert.match(refused.body.toString('utf8'), /standby/)
  })
})

async function page(admin: string, name: string): Promise<string> {
  return await (await fetch(admin + name)).text()
}
