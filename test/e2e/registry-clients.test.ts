import assert from 'node:assert/strict'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { MEDIA_TYPES } from '@shoal/oci'
import { type BuiltImage, buildImage, SMALL_IMAGE } from '../harness/image.ts'
import { run, tryRun } from '../harness/process.ts'
import { SITE_ADMIN, startRegistrySite, withClients } from '../harness/registry-site.ts'

describe('skopeo and umoci', withClients('skopeo', 'umoci', 'busybox'), () => {
  let directory: string
  let image: BuiltImage
  let source: string

  before(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'shoal-clients-'))
    image = await buildImage(SMALL_IMAGE)
    source = `oci:${image.layout}:${image.tag}`
  })

  after(() => rm(directory, { recursive: true, force: true }))

  it('skopeo pushes an image and pulls it back byte for byte', async (t) => {
    const { host } = await startRegistrySite(t, 'push')
    const target = path.join(directory, 'pulled')
    await copy(source, `docker://${host}/team/app:v1`)
    await copy(`docker://${host}/team/app:v1`, `oci:${target}:v1`)
    assert.equal(await manifestDigest(`oci:${target}:v1`), image.digest)
    await copy(`docker://${host}/team/app@${image.digest}`, `oci:${target}:by-digest`)
    assert.equal(await manifestDigest(`oci:${target}:by-digest`), image.digest)
    // What came back can be unpacked: umoci checks every layer against its diff id.
    await run(['umoci', 'unpack', '--rootless', '--image', `${target}:v1`, path.join(directory, 'bundle')])
    const inspected: { Digest: string; RepoTags: string[] } = JSON.parse(
      await skopeo('inspect', `docker://${host}/team/app:v1`)
    )
    assert.equal(inspected.Digest, image.digest)
    assert.deepEqual(inspected.RepoTags, ['v1'])
  })

  it('skopeo sends no layer a second time, nor to a repository that it knows to share it', async (t) => {
    const { host, requests } = await startRegistrySite(t, 'push')
    await copy(source, `docker://${host}/base:v1`)
    const patches = await requests('PATCH')
    assert.ok(patches > 0, 'skopeo pushes layers with PATCH')
    await copy(source, `docker://${host}/base:v2`)
    assert.equal(await requests('PATCH'), patches)
    await copy(`docker://${host}/base:v1`, `docker://${host}/app:v1`)
    // It mounts the layers, and sends the config again.
    assert.equal(await requests('PATCH'), patches + 1)
    assert.equal(await manifestDigest(`docker://${host}/app:v1`), image.digest)
  })

  it('skopeo pushes an image in the format of Docker', async (t) => {
    const { host } = await startRegistrySite(t, 'push')
    await copy(source, `docker://${host}/docker:v1`, '--format', 'v2s2')
    const raw: { mediaType: string } = JSON.parse(await skopeo('inspect', '--raw', `docker://${host}/docker:v1`))
    assert.equal(raw.mediaType, MEDIA_TYPES.dockerManifest)
    await copy(`docker://${host}/docker:v1`, `oci:${path.join(directory, 'docker')}:v1`)
  })

  it('skopeo copies an index with all its images', async (t) => {
    const { host } = await startRegistrySite(t, 'push')
    await copy(source, `docker://${host}/multi:arm64`)
    await copy(source, `docker://${host}/multi:amd64`, '--format', 'v2s2')
    const manifests = await Promise.all(
      ['arm64', 'amd64'].map(async (architecture) => {
        const answer = await fetch(`http://${host}/v2/multi/manifests/${architecture}`, { method: 'HEAD' })
        return {
          mediaType: answer.headers.get('content-type'),
          digest: answer.headers.get('docker-content-digest'),
          size: Number(answer.headers.get('content-length')),
          platform: { os: 'linux', architecture }
        }
      })
    )
    const mediaType = MEDIA_TYPES.ociIndex
    const index = JSON.stringify({ schemaVersion: 2, mediaType, manifests })
    const headers = { 'content-type': mediaType }
    const put = await fetch(`http://${host}/v2/multi/manifests/latest`, { method: 'PUT', body: index, headers })
    assert.equal(put.status, 201)
    await copy(`docker://${host}/multi:latest`, `docker://${host}/mirrored:latest`, '--all', '--preserve-digests')
    assert.equal((await skopeo('inspect', '--raw', `docker://${host}/mirrored:latest`)).trim(), index)
  })

  it('skopeo lists tags and deletes an image', async (t) => {
    const { host } = await startRegistrySite(t, 'push')
    await copy(source, `docker://${host}/app:v1`)
    await copy(source, `docker://${host}/app:v2`)
    const listed: { Tags: string[] } = JSON.parse(await skopeo('list-tags', `docker://${host}/app`))
    assert.deepEqual(listed.Tags, ['v1', 'v2'])
    await skopeo('delete', `docker://${host}/app:v1`)
    assert.equal((await trySkopeo('inspect', `docker://${host}/app:v1`)).code, 1)
  })

  it('skopeo needs the password to push where anybody may pull', async (t) => {
    const { host } = await startRegistrySite(t, 'pull')
    const reference = `docker://${host}/app:v1`
    const refused = await tryCopy(source, reference)
    assert.notEqual(refused.code, 0, refused.output)
    const wrong = await tryCopy(source, reference, '--dest-creds', 'admin:wrong')
    assert.notEqual(wrong.code, 0, wrong.output)
    await copy(source, reference, '--dest-creds', SITE_ADMIN)
    await copy(reference, `oci:${path.join(directory, 'anonymous')}:v1`, '--src-no-creds')
    await copy(reference, `oci:${path.join(directory, 'known')}:v1`, '--src-creds', SITE_ADMIN)
  })

  it('skopeo needs the password for everything where nobody may do anything', async (t) => {
    const { host } = await startRegistrySite(t, 'none')
    const reference = `docker://${host}/app:v1`
    await copy(source, reference, '--dest-creds', SITE_ADMIN)
    const refused = await tryCopy(reference, `oci:${path.join(directory, 'refused')}:v1`, '--src-no-creds')
    assert.notEqual(refused.code, 0, refused.output)
    await copy(reference, `oci:${path.join(directory, 'allowed')}:v1`, '--src-creds', SITE_ADMIN)
  })

  it('umoci changes what was pulled, and only the new layer is sent', async (t) => {
    const { host, requests } = await startRegistrySite(t, 'push')
    await copy(source, `docker://${host}/app:v1`)
    const patches = await requests('PATCH')
    const layout = path.join(directory, 'changed')
    await copy(`docker://${host}/app:v1`, `oci:${layout}:v1`)
    const file = path.join(directory, 'new-file')
    await cp(new URL(import.meta.url), file)
    await run(['umoci', 'insert', '--rootless', '--image', `${layout}:v1`, file, '/new-file'])
    await copy(`oci:${layout}:v1`, `docker://${host}/app:v2`)
    // One layer and the config.
    assert.equal((await requests('PATCH')) - patches, 2)
    const digest = await manifestDigest(`oci:${layout}:v1`)
    assert.notEqual(digest, image.digest)
    assert.equal(await manifestDigest(`docker://${host}/app:v2`), digest)
  })
})

async function copy(from: string, to: string, ...options: string[]): Promise<void> {
  await run(copyCommand(from, to, options))
}

async function tryCopy(from: string, to: string, ...options: string[]): ReturnType<typeof tryRun> {
  return await tryRun(copyCommand(from, to, options))
}

function copyCommand(from: string, to: string, options: readonly string[]): string[] {
  const insecure = ['--src-tls-verify=false', '--dest-tls-verify=false']
  return ['skopeo', '--insecure-policy', 'copy', '--quiet', ...insecure, ...options, from, to]
}

async function skopeo(command: string, ...parameters: string[]): Promise<string> {
  return await run(['skopeo', command, '--tls-verify=false', ...parameters])
}

async function trySkopeo(command: string, ...parameters: string[]): ReturnType<typeof tryRun> {
  return await tryRun(['skopeo', command, '--tls-verify=false', ...parameters])
}

/** The digest of the manifest under a reference, whatever holds it. */
async function manifestDigest(reference: string): Promise<string> {
  const tls = reference.startsWith('docker:') ? ['--tls-verify=false'] : []
  return (await run(['skopeo', 'inspect', ...tls, '--format', '{{.Digest}}', reference])).trim()
}
