import { randomBytes } from 'node:crypto'
import { type DigestAlgorithm, digestOf, MEDIA_TYPES } from '@shoal/oci'
import type { Harness } from '../harness.ts'
import { havingBlob } from './pushing.ts'

/** A manifest to be pushed. */
export interface Sample {
  readonly bytes: Buffer
  readonly mediaType: string
}

/** A descriptor of `bytes`. */
export function describes(mediaType: string, bytes: Uint8Array, algorithm: DigestAlgorithm, extras: object = {}) {
  return { mediaType, digest: digestOf(bytes, algorithm), size: bytes.length, ...extras }
}

/** A manifest of an image, or an index, from its fields. */
export function sample(fields: object): Sample {
  const mediaType = 'manifests' in fields ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.ociManifest
  // Written in a way that no serializer would write it again.
  return { bytes: Buffer.from(`${JSON.stringify({ schemaVersion: 2, mediaType, ...fields }, null, 3)}\n`), mediaType }
}

/** Pushes the blobs that a manifest needs, and gives the manifest. */
type Kind = (harness: Harness, name: string, algorithm: DigestAlgorithm) => Promise<Sample>

const ARTIFACT_TYPE = 'application/vnd.example.sbom.v1+json'

const image: Kind = async (harness, name, algorithm) => sample(await imageFields(harness, name, algorithm))

const index: Kind = async (harness, name, algorithm) => {
  const manifests = []
  for (const architecture of ['amd64', 'arm64']) {
    const { bytes, mediaType } = await image(harness, name, algorithm)
    manifests.push(describes(mediaType, bytes, algorithm, { platform: { os: 'linux', architecture } }))
    await putSample(harness, name, { bytes, mediaType }, algorithm)
  }
  return sample({ manifests })
}

/** Every kind of content that the conformance suite knows, and its like. */
export const KINDS: Readonly<Record<string, Kind>> = {
  image,
  index,
  'nested index': async (harness, name, algorithm) => {
    const inner = await index(harness, name, algorithm)
    await putSample(harness, name, inner, algorithm)
    return sample({ manifests: [describes(inner.mediaType, inner.bytes, algorithm)] })
  },
  'empty index': async () => sample({ manifests: [] }),
  'sparse index': async (_harness, _name, algorithm) =>
    sample({ manifests: [describes(MEDIA_TYPES.ociManifest, randomBytes(300), algorithm)] }),
  'sparse image': async (harness, name, algorithm) => {
    const fields = await imageFields(harness, name, algorithm)
    return sample({ ...fields, layers: [...fields.layers, describes(MEDIA_TYPES.ociLayer, randomBytes(9), algorithm)] })
  },
  artifact: async (harness, name, algorithm) => sample(await artifactFields(harness, name, algorithm)),
  'artifact index': async (harness, name, algorithm) => {
    const { bytes } = await index(harness, name, algorithm)
    return sample({ ...JSON.parse(bytes.toString()), artifactType: ARTIFACT_TYPE })
  },
  'artifact with a missing subject': async (harness, name, algorithm) => {
    const subject = describes(MEDIA_TYPES.ociManifest, randomBytes(10), algorithm)
    return sample({ ...(await artifactFields(harness, name, algorithm)), subject })
  },
  'index with a missing subject': async (_harness, _name, algorithm) =>
    sample({ manifests: [], subject: describes(MEDIA_TYPES.ociIndex, randomBytes(10), algorithm) }),
  'data in descriptors': async (harness, name, algorithm) => {
    const content = randomBytes(200)
    const fields = await imageFields(harness, name, algorithm, content)
    return sample({ ...fields, config: { ...fields.config, data: content.toString('base64') } })
  },
  'layers that may not be distributed': async (harness, name, algorithm) => {
    const fields = await imageFields(harness, name, algorithm)
    const type = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'
    const urls = ['https://store.example.com/layer']
    return sample({ ...fields, layers: [describes(type, randomBytes(10), algorithm, { urls })] })
  },
  'fields of its own': async (harness, name, algorithm) =>
    sample({ ...(await imageFields(harness, name, algorithm)), 'org.example.field': { deep: [1, 'two', null] } }),
  'no layers': async (harness, name, algorithm) =>
    sample({ ...(await imageFields(harness, name, algorithm)), layers: [] }),
  'an empty layer': async (harness, name, algorithm) => {
    const fields = await imageFields(harness, name, algorithm)
    await havingBlob(harness, name, Buffer.alloc(0), algorithm)
    return sample({ ...fields, layers: [describes(MEDIA_TYPES.ociLayer, Buffer.alloc(0), algorithm)] })
  },
  'almost 4 MiB of annotations': async (harness, name, algorithm) => {
    const annotations = Object.fromEntries(Array.from({ length: 390 }, (_, i) => [`long-${i}`, 'A'.repeat(10_000)]))
    return sample({ ...(await imageFields(harness, name, algorithm)), annotations })
  }
}

/** PUT a manifest under its digest. */
export async function putSample(
  { request }: Harness,
  name: string,
  { bytes, mediaType }: Sample,
  algorithm: DigestAlgorithm,
  query = ''
): Promise<Response> {
  const url = `/v2/${name}/manifests/${digestOf(bytes, algorithm)}${query}`
  return await request(url, { method: 'PUT', body: new Uint8Array(bytes), headers: { 'content-type': mediaType } })
}

async function imageFields(harness: Harness, name: string, algorithm: DigestAlgorithm, content = randomBytes(200)) {
  const layer = randomBytes(1000)
  await havingBlob(harness, name, content, algorithm)
  await havingBlob(harness, name, layer, algorithm)
  return {
    config: describes(MEDIA_TYPES.ociConfig, content, algorithm),
    layers: [describes(MEDIA_TYPES.ociLayer, layer, algorithm)]
  }
}

async function artifactFields(harness: Harness, name: string, algorithm: DigestAlgorithm): Promise<object> {
  const empty = Buffer.from('{}')
  await havingBlob(harness, name, empty, algorithm)
  const config = describes(MEDIA_TYPES.ociEmpty, empty, algorithm)
  return {
    artifactType: ARTIFACT_TYPE,
    config,
    layers: [config],
    annotations: { made: randomBytes(4).toString('hex') }
  }
}
