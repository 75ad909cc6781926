import { createCipheriv, createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const PIECE_BYTES = 1024 * 1024
const KEY_BYTES = 16

/**
 * Bytes that look random and are the same for the same seed: the key stream of AES in counter mode.
 * They do not compress, so a layer made of them is as large as they are.
 */
export function* randomBytes(seed: string, size: number): Generator<Uint8Array> {
  const key = createHash('sha256').update(seed).digest().subarray(0, KEY_BYTES)
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(KEY_BYTES))
  for (let left = size; left > 0; left -= PIECE_BYTES) {
    yield cipher.update(Buffer.alloc(Math.min(left, PIECE_BYTES)))
  }
}

/** Writes such bytes to a file and returns their SHA-256 in hexadecimal. */
export async function writeRandomFile(file: string, seed: string, size: number): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(
    Readable.from(randomBytes(seed, size)),
    async function* (pieces: AsyncIterable<Uint8Array>) {
      for await (const piece of pieces) {
        hash.update(piece)
        yield piece
      }
    },
    createWriteStream(file)
  )
  return hash.digest('hex')
}
