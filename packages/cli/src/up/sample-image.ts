import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { type Descriptor, digestFromBytes, digestOf, MEDIA_TYPES } from '@shoal/oci'
import { platformOf } from '../values/platform.ts'
import { chooseSampleFiles, type SampleEntry } from './sample-files.ts'
import { tarLayer } from './tar-layer.ts'

/** A blob of the sample image, and how to read it. */
export interface SampleBlob {
  readonly descriptor: Descriptor
  open(): AsyncIterable<Uint8Array>
}

/** An image made of files that are there. */
export interface SampleImage {
  readonly manifest: Uint8Array
  readonly mediaType: string
  readonly config: SampleBlob
  readonly layers: readonly SampleBlob[]
  /** Bytes of config, layers and manifest. */
  readonly size: number
}

/**
 * Builds the sample image from the running Node and the packages of this project. Nothing is written to disk: layers are archived
 * once to know their digests, and again whenever they are read.
 *
 * @param onLayer told of every layer that is done
 */
export async function buildSampleImage(
  onLayer: (layer: Descriptor) => void,
  options: { signal?: AbortSignal } = {}
): Promise<SampleImage> {
  const files = await chooseSampleFiles(process.execPath, modulesDirectory())
  const layers: SampleBlob[] = []
  for (const { entries } of files) {
    options.signal?.throwIfAborted()
    const layer = await hashLayer(entries)
    onLayer(layer.descriptor)
    layers.push(layer)
  }
  const config = configBlob(layers.map(({ descriptor }) => descriptor))
  const mediaType = MEDIA_TYPES.ociManifest
  const manifest = encodeJson({
    schemaVersion: 2,
    mediaType,
    config: config.descriptor,
    layers: layers.map(({ descriptor }) => descriptor)
  })
  const size = [config, ...layers].reduce((sum, { descriptor }) => sum + descriptor.size, manifest.length)
  return { manifest, mediaType, config, layers, size }
}

async function hashLayer(entries: readonly SampleEntry[]): Promise<SampleBlob> {
  const hash = createHash('sha256')
  let size = 0
  for await (const bytes of tarLayer(entries)) {
    hash.update(bytes)
    size += bytes.length
  }
  const digest = digestFromBytes('sha256', hash.digest())
  return { descriptor: { mediaType: MEDIA_TYPES.ociLayer, digest, size }, open: () => tarLayer(entries) }
}

function configBlob(layers: readonly Descriptor[]): SampleBlob {
  const { os, architecture } = platformOf(process.platform, process.arch)
  const bytes = encodeJson({
    created: new Date(0).toISOString(),
    architecture,
    os,
    config: { Entrypoint: ['/usr/local/bin/node'], WorkingDir: '/app' },
    // An uncompressed layer's diff id is its digest.
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) }
  })
  const descriptor = { mediaType: MEDIA_TYPES.ociConfig, digest: digestOf(bytes), size: bytes.length }
  return {
    descriptor,
    async *open() {
      yield bytes
    }
  }
}

function encodeJson(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}

/** The folder that this program's dependencies are in. */
function modulesDirectory(): string | undefined {
  const dependency = import.meta.resolve('tar-stream')
  const [path] = /^.*\/node_modules(?=\/)/.exec(new URL(dependency).pathname) ?? []
  return path === undefined ? undefined : fileURLToPath(new URL(path, dependency))
}
