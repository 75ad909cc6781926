import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { buildImage, SMALL_IMAGE } from '../harness/image.ts'
import { run, tryRun } from '../harness/process.ts'
import { SITE_PASSWORD, startRegistrySite, temporaryDirectory, withClients } from '../harness/registry-site.ts'

/** Runs podman or buildah with images of the test's own. */
type Client = (...args: string[]) => Promise<string>

interface Clients {
  readonly directory: string
  readonly podman: Client
  readonly buildah: Client
  readonly tryPodman: (...args: string[]) => ReturnType<typeof tryRun>
}

interface Listed {
  readonly digest: string
  readonly type: string
  readonly tags: readonly string[]
  readonly platforms: readonly object[]
}

async function clients(t: TestContext): Promise<Clients> {
  const directory = await temporaryDirectory(t)
  const storage = ['--root', path.join(directory, 'root'), '--runroot', path.join(directory, 'run')]
  const options = [...storage, '--storage-driver', 'vfs']
  const env = { REGISTRY_AUTH_FILE: path.join(directory, 'auth.json') }
  await writeFile(env.REGISTRY_AUTH_FILE, '{}')
  const podman = ['podman', ...options, '--cgroup-manager', 'cgroupfs']
  return {
    directory,
    podman: async (...args) => await run([...podman, ...args], { env }),
    buildah: async (...args) => await run(['buildah', ...options, ...args], { env }),
    tryPodman: async (...args) => await tryRun([...podman, ...args], { env })
  }
}

const PLAIN = '--tls-verify=false'

async function artifacts(host: string, name: string): Promise<Listed[]> {
  const response = await fetch(`http://${host}/api/v1/repositories/${name}/artifacts`)
  assert.equal(response.status, 200)
  const body: { artifacts: Listed[] } = JSON.parse(await response.text())
  return body.artifacts
}

describe('podman and buildah', withClients('podman', 'buildah', 'skopeo', 'umoci', 'busybox'), () => {
  it('podman pulls by tag and digest, and pushes under another name', async (t) => {
    const { host } = await startRegistrySite(t, 'push')
    const { directory, podman } = await clients(t)
    const image = await buildImage(SMALL_IMAGE)
    const source = `oci:${image.layout}:${image.tag}`
    await run(['skopeo', 'copy', '--quiet', '--dest-tls-verify=false', source, `docker://${host}/team/app:v1`])
    const id = (await podman('pull', '--quiet', PLAIN, `${host}/team/app:v1`)).trim()
    assert.equal(`sha256:${id}`, image.config.digest)
    assert.equal((await podman('pull', '--quiet', PLAIN, `${host}/team/app@${image.digest}`)).trim(), id)
    const digestFile = path.join(directory, 'digest')
    await podman('push', '--quiet', PLAIN, '--digestfile', digestFile, id, `${host}/team/copy:v2`)
    const [pushed] = await artifacts(host, 'team/copy')
    assert.deepEqual([pushed?.type, pushed?.tags], ['image', ['v2']])
    assert.equal((await podman('pull', '--quiet', PLAIN, `${host}/team/copy:v2`)).trim(), id)
    const listed: { Tags: string[] }[] = JSON.parse(
      await podman('search', '--list-tags', '--format', 'json', PLAIN, `${host}/team/copy`)
    )
    assert.deepEqual(
      listed.map(({ Tags }) => Tags),
      [['v2']]
    )
  })

  it('podman finds repositories by the catalog', async (t) => {
    const { host } = await startRegistrySite(t, 'push')
    const { podman, buildah, directory } = await clients(t)
    await build(buildah, directory, `${host}/team/found:v1`, 'linux/amd64')
    const found: { Name: string }[] = JSON.parse(await podman('search', '--format', 'json', PLAIN, `${host}/found`))
    assert.deepEqual(
      found.map(({ Name }) => Name),
      [`${host}/team/found`]
    )
  })

  it('podman logs in to push, and pulls without that', async (t) => {
    const { host } = await startRegistrySite(t, 'pull')
    const { podman, tryPodman, buildah, directory } = await clients(t)
    await build(buildah, directory, 'local/app:v1', 'linux/amd64', false)
    const push = ['push', '--quiet', PLAIN, 'localhost/local/app:v1', `${host}/app:v1`]
    assert.notEqual((await tryPodman(...push)).code, 0)
    const wrong = await tryPodman('login', PLAIN, '--username', 'admin', '--password', 'wrong', host)
    assert.notEqual(wrong.code, 0, wrong.output)
    await podman('login', PLAIN, '--username', 'admin', '--password', SITE_PASSWORD, host)
    await podman(...push)
    await podman('logout', host)
    await podman('pull', '--quiet', PLAIN, `${host}/app:v1`)
    assert.notEqual((await tryPodman(...push)).code, 0)
  })

  it('buildah pushes an index for several platforms, Windows among them', async (t) => {
    const { host } = await startRegistrySite(t, 'push')
    const { directory, buildah, podman } = await clients(t)
    await buildah('manifest', 'create', 'all')
    for (const platform of ['linux/amd64', 'linux/arm64', 'windows/amd64']) {
      const name = `${host}/parts/${platform}:v1`
      await build(buildah, directory, name, platform)
      const version = platform.startsWith('windows') ? ['--os-version', '10.0.20348.2113'] : []
      const [os = '', architecture = ''] = platform.split('/')
      const wanted = ['--os', os, '--arch', architecture, ...version]
      await buildah('manifest', 'add', PLAIN, ...wanted, 'all', `docker://${name}`)
    }
    await buildah('manifest', 'push', '--quiet', PLAIN, '--all', 'all', `docker://${host}/team/all:v1`)
    const index = (await artifacts(host, 'team/all')).find(({ tags }) => tags.includes('v1'))
    assert.equal(index?.type, 'image')
    assert.deepEqual(index.platforms, [
      { os: 'linux', architecture: 'amd64' },
      { os: 'linux', architecture: 'arm64' },
      { os: 'windows', architecture: 'amd64', 'os.version': '10.0.20348.2113' }
    ])
    await podman('pull', '--quiet', PLAIN, '--platform', 'linux/arm64', `${host}/team/all:v1`)
    const [inspected]: { Architecture: string }[] = JSON.parse(await podman('inspect', `${host}/team/all:v1`))
    assert.equal(inspected?.Architecture, 'arm64')
  })
})

/** Builds an image of one small file, and pushes it. */
async function build(
  buildah: Client,
  directory: string,
  name: string,
  platform: string,
  isPushed = true
): Promise<void> {
  const file = path.join(directory, 'file')
  await writeFile(file, `for ${platform}`)
  const container = (await buildah('from', '--platform', platform, 'scratch')).trim()
  await buildah('copy', '--quiet', container, file, '/file')
  await buildah('commit', '--quiet', '--rm', container, name)
  if (isPushed) await buildah('push', '--quiet', PLAIN, name, `docker://${name}`)
}
