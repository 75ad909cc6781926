import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { Containerd } from '../harness/containerd.ts'
import { buildImage, SMALL_IMAGE } from '../harness/image.ts'
import { run } from '../harness/process.ts'
import { SITE_ADMIN, startRegistrySite, temporaryDirectory, withClients } from '../harness/registry-site.ts'

const TOOLS = ['containerd', 'ctr', 'runc', 'skopeo', 'umoci', 'busybox', 'unshare']

describe('containerd, straight at the registry', withClients(...TOOLS), () => {
  it('pulls by tag and digest, pushes an image and an index', async (t) => {
    const directory = await temporaryDirectory(t)
    const hosts = path.join(directory, 'hosts')
    await mkdir(hosts)
    const containerd = await Containerd.start({ name: 'the host' }, directory, hosts)
    t.after(async () => await containerd.stop())
    const { host } = await startRegistrySite(t, 'pull')
    const image = await buildImage(SMALL_IMAGE)
    const to = ['--dest-creds', SITE_ADMIN, '--dest-tls-verify=false', `docker://${host}/team/app:v1`]
    await run(['skopeo', 'copy', '--quiet', `oci:${image.layout}:${image.tag}`, ...to])

    const reference = `${host}/team/app:v1`
    await containerd.pull(reference, { plainHttp: true })
    assert.equal(await containerd.imageDigest(reference), image.digest)
    await containerd.pull(`${host}/team/app@${image.digest}`, { plainHttp: true })

    const login = ['--plain-http', '--user', SITE_ADMIN]
    await containerd.ctr('images', 'push', ...login, `${host}/team/copy:v2`, reference)
    await containerd.pull(`${host}/team/copy:v2`, { plainHttp: true })
    assert.equal(await containerd.imageDigest(`${host}/team/copy:v2`), image.digest)
    // An index of the image, made by containerd itself.
    await containerd.ctr('images', 'convert', '--oci', reference, `${host}/team/converted:v1`)
    await containerd.ctr('images', 'push', ...login, `${host}/team/converted:v1`)
    const response = await fetch(`http://${host}/api/v1/repositories`)
    const { repositories }: { repositories: { name: string }[] } = JSON.parse(await response.text())
    assert.deepEqual(
      repositories.map(({ name }) => name),
      ['team/app', 'team/converted', 'team/copy']
    )
    await assert.rejects(containerd.ctr('images', 'push', '--plain-http', `${host}/team/anonymous:v1`, reference))
  })
})
