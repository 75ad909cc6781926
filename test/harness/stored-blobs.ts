import { open, stat } from 'node:fs/promises'
import path from 'node:path'
import type { BuiltImage, ImageBlob } from './image.ts'
import type { ShoalAgent } from './shoal.ts'

/** The smallest chunk there is, so a stride that hits every chunk of any blob. */
const TAMPER_STRIDE_BYTES = 256 * 1024
const ALL_BITS = 0xff

/** Where an agent keeps a whole blob. */
export function blobFile(agent: ShoalAgent, digest: string): string {
  const [algorithm = '', hex = ''] = digest.split(':')
  return path.join(agent.directory, 'content', 'blobs', algorithm, hex.slice(0, 2), hex)
}

/** How many bytes of an image's layers an agent holds verified: whole blobs on disk, and what downloads under way have checked. */
export async function verifiedLayerBytes(agent: ShoalAgent, image: BuiltImage): Promise<number> {
  // The page first: what becomes whole between the two looks is then counted by the second, not lost.
  const { transfers } = await agent.status()
  const held = image.layers.map(async (layer) => {
    const transfer = transfers.find((candidate) => candidate.digest === layer.digest)
    return (await isWhole(agent, layer)) ? layer.size : (transfer?.verifiedBytes ?? 0)
  })
  return (await Promise.all(held)).reduce((sum, bytes) => sum + bytes, 0)
}

/** Spoils every chunk of the image's layers in the store of an agent that is not running. @throws Error when a layer is not there */
export async function tamperLayers(agent: ShoalAgent, image: BuiltImage): Promise<void> {
  for (const layer of image.layers) {
    await using file = await open(blobFile(agent, layer.digest), 'r+')
    const byte = Buffer.alloc(1)
    for (let position = 0; position < layer.size; position += TAMPER_STRIDE_BYTES) {
      await file.read(byte, 0, 1, position)
      byte.writeUInt8(byte.readUInt8() ^ ALL_BITS)
      await file.write(byte, 0, 1, position)
    }
  }
}

async function isWhole(agent: ShoalAgent, blob: ImageBlob): Promise<boolean> {
  try {
    return (await stat(blobFile(agent, blob.digest))).size === blob.size
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}
