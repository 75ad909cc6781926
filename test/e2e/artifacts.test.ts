import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { type Descriptor, digestOf, MEDIA_TYPES, RegistryClient } from '@shoal/oci'
import { attachArtifactToImage, getImageDigest } from '@sigstore/oci'
import { buildImage, SMALL_IMAGE } from '../harness/image.ts'
import { run } from '../harness/process.ts'
import {
  type RegistrySite,
  SITE_ADMIN,
  SITE_PASSWORD,
  startRegistrySite,
  temporaryDirectory,
  withClients
} from '../harness/registry-site.ts'

const CREDENTIALS = { username: 'admin', password: SITE_PASSWORD }

interface Shown {
  readonly digest: string
  readonly type: string
  readonly size: number
  readonly annotations: Readonly<Record<string, string>>
  readonly referrers: readonly { readonly digest: string; readonly artifactType?: string }[]
}

async function shown({ host }: RegistrySite, name: string): Promise<Shown[]> {
  const response = await fetch(`http://${host}/api/v1/repositories/${name}/artifacts`)
  assert.equal(response.status, 200)
  const { artifacts }: { artifacts: Shown[] } = JSON.parse(await response.text())
  return artifacts
}

/** Pushes an artifact as helm or oras would: a config, one layer, a manifest. */
async function pushArtifact(
  client: RegistryClient,
  name: string,
  tag: string,
  config: { mediaType: string; content: string },
  layer: { mediaType: string; content: string },
  extras: object = {}
): Promise<{ digest: string; size: number }> {
  const descriptors: Descriptor[] = []
  for (const { content, mediaType } of [config, layer]) {
    const bytes = Buffer.from(content)
    const digest = digestOf(bytes)
    await client.pushBlob(name, digest, bytes.length, async function* () {
      yield bytes
    })
    descriptors.push({ mediaType, digest, size: bytes.length })
  }
  const [first, ...layers] = descriptors
  const mediaType = MEDIA_TYPES.ociManifest
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config: first, layers, ...extras }))
  const digest = await client.putManifest(name, tag, bytes, mediaType)
  return { digest, size: descriptors.reduce((sum, { size }) => sum + size, bytes.length) }
}

const EMPTY = { mediaType: MEDIA_TYPES.ociEmpty, content: '{}' }

describe('artifacts of every kind', withClients('skopeo', 'umoci', 'busybox'), () => {
  it('are known by their types, and copied by skopeo byte for byte', async (t) => {
    const site = await startRegistrySite(t, 'pull')
    const client = new RegistryClient({ url: `http://${site.host}`, credentials: CREDENTIALS })
    t.after(async () => await client.close())
    const helm = { mediaType: 'application/vnd.cncf.helm.config.v1+json', content: '{"name":"app","version":"1.0.0"}' }
    const chart = { mediaType: 'application/vnd.cncf.helm.chart.content.v1.tar+gzip', content: 'a chart' }
    const model = { mediaType: 'application/vnd.cncf.model.config.v1+json', content: '{"descriptor":{"name":"m"}}' }
    const weights = { mediaType: 'application/vnd.cncf.model.weight.v1.raw', content: 'weights' }
    const sbom = { mediaType: 'application/spdx+json', content: '{"spdxVersion":"SPDX-2.3"}' }
    const title = { annotations: { 'org.opencontainers.image.title': 'app' } }
    const name = 'team/things'
    const pushed = {
      helm: await pushArtifact(client, name, 'chart-1.0.0', helm, chart, title),
      model: await pushArtifact(client, name, 'model', model, weights),
      'application/spdx+json': await pushArtifact(client, name, 'sbom', EMPTY, sbom, {
        artifactType: 'application/spdx+json'
      })
    }
    const found = new Map((await shown(site, name)).map((each) => [each.type, each]))
    assert.equal(found.size, 3)
    for (const [type, { digest, size }] of Object.entries(pushed)) {
      assert.equal(found.get(type)?.digest, digest, type)
      assert.equal(found.get(type)?.size, size, type)
    }
    assert.deepEqual(found.get('helm')?.annotations, title.annotations)

    const layout = path.join(await temporaryDirectory(t), 'layout')
    for (const [tag, { digest }] of [
      ['chart-1.0.0', pushed.helm],
      ['sbom', pushed['application/spdx+json']]
    ] as const) {
      const from = ['--src-tls-verify=false', `docker://${site.host}/${name}:${tag}`]
      await run([
        'skopeo',
        '--insecure-policy',
        'copy',
        '--quiet',
        '--preserve-digests',
        ...from,
        `oci:${layout}:${tag}`
      ])
      const bytes = await readFile(path.join(layout, 'blobs', 'sha256', digest.slice('sha256:'.length)))
      assert.equal(digestOf(bytes), digest)
    }
  })

  it('sigstore attaches a signature, which is listed among the referrers', async (t) => {
    const site = await startRegistrySite(t, 'pull')
    const image = await buildImage(SMALL_IMAGE)
    const to = ['--dest-creds', SITE_ADMIN, '--dest-tls-verify=false', `docker://${site.host}/team/app:v1`]
    await run(['skopeo', 'copy', '--quiet', `oci:${image.layout}:${image.tag}`, ...to])
    const imageName = `${site.host}/team/app`
    assert.equal(await getImageDigest({ imageName, imageTag: 'v1', credentials: CREDENTIALS }), image.digest)
    const mediaType = 'application/vnd.dev.sigstore.bundle.v0.3+json'
    const annotations = { 'dev.sigstore.bundle.predicateType': 'https://slsa.dev/provenance/v1' }
    const signature = await attachArtifactToImage({
      artifact: Buffer.from('{"a":"bundle"}'),
      mediaType,
      imageName,
      imageDigest: image.digest,
      credentials: CREDENTIALS,
      annotations
    })
    const response = await fetch(`http://${site.host}/v2/team/app/referrers/${image.digest}`)
    const { manifests }: { manifests: Descriptor[] } = JSON.parse(await response.text())
    assert.deepEqual(
      manifests.map(({ digest }) => digest),
      [signature.digest]
    )
    assert.equal(manifests[0]?.annotations?.['dev.sigstore.bundle.predicateType'], Object.values(annotations)[0])
    const artifacts = await shown(site, 'team/app')
    // It saw that referrers are kept here, and made no tag in their stead.
    assert.deepEqual(artifacts.map(({ digest }) => digest).toSorted(), [image.digest, signature.digest].toSorted())
    const shownImage = artifacts.find(({ digest }) => digest === image.digest)
    assert.deepEqual(
      shownImage?.referrers.map(({ digest }) => digest),
      [signature.digest]
    )
    const tags = await fetch(`http://${site.host}/v2/team/app/tags/list`)
    assert.deepEqual(await tags.json(), { name: 'team/app', tags: ['v1'] })
  })
})
