import { hash, webcrypto } from 'node:crypto'

/**
 * Up to this length bytes are hashed where they are, in 0.4 ms at most, unless told otherwise: handing them to another thread copies
 * them, and costs two thirds of the hashing itself again.
 */
export const HASH_HERE_MAX_BYTES = 512 * 1024

/**
 * SHA-256; of a large chunk it is computed outside the main thread.
 *
 * @param hereMaxBytes the longest chunk that is hashed where it is. @default HASH_HERE_MAX_BYTES, 512 KiB
 */
export async function chunkDigestOf(bytes: Uint8Array, hereMaxBytes = HASH_HERE_MAX_BYTES): Promise<Uint8Array> {
  if (bytes.length <= hereMaxBytes) return hash('sha256', bytes, 'buffer')
  return new Uint8Array(await webcrypto.subtle.digest('SHA-256', unshared(bytes)))
}

/** Web Crypto refuses memory that is shared between threads. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : Uint8Array.from(bytes)
}
