import { createHash } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { writeRandomFile } from '../../test/harness/random-bytes.ts'
import type { BenchBlob, BenchImage } from '../bench-system.ts'

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json'
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip'

/** Images of random bytes. Layers are made once for each size and number, and used again by every cell that wants such. */
export class Images {
  readonly #directory: string
  readonly #layers = new Map<string, BenchBlob>()

  constructor(directory: string) {
    this.#directory = directory
  }

  /** An image of `size` bytes in `layers` equal parts; those of different numbers or kinds have no layer in common. */
  async make(size: number, layers: number, number: number, kind = 'image'): Promise<BenchImage> {
    const parts: BenchBlob[] = []
    for (let index = 0; index < layers; index++) {
      const end = Math.round((size * (index + 1)) / layers)
      parts.push(await this.#layer(end - Math.round((size * index) / layers), number * layers + index, kind))
    }
    return await this.#assemble(parts)
  }

  /** Removes the files of an image's layers, for want of space. */
  async discard(image: BenchImage): Promise<void> {
    for (const layer of image.layers) {
      this.#layers.delete(path.basename(layer.file))
      await rm(layer.file, { force: true })
    }
  }

  async #layer(size: number, number: number, kind: string): Promise<BenchBlob> {
    const name = `${kind}-${size}-${number}`
    const made = this.#layers.get(name)
    if (made !== undefined) return made
    const file = path.join(this.#directory, name)
    const digest = `sha256:${await writeRandomFile(file, `layer ${name}`, size)}`
    const layer = { file, digest, size, mediaType: LAYER_TYPE }
    this.#layers.set(name, layer)
    return layer
  }

  async #assemble(layers: readonly BenchBlob[]): Promise<BenchImage> {
    const config = await this.#document(CONFIG_TYPE, {
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.digest) }
    })
    const manifest = await this.#document(MANIFEST_TYPE, {
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: descriptor(config),
      layers: layers.map(descriptor)
    })
    return { manifest, config, layers, size: layers.reduce((sum, layer) => sum + layer.size, 0) }
  }

  async #document(mediaType: string, document: object): Promise<BenchBlob> {
    const text = JSON.stringify(document)
    const hex = createHash('sha256').update(text).digest('hex')
    const file = path.join(this.#directory, hex)
    await writeFile(file, text)
    return { file, digest: `sha256:${hex}`, size: Buffer.byteLength(text), mediaType }
  }
}

function descriptor({ mediaType, digest, size }: BenchBlob): object {
  return { mediaType, digest, size }
}
