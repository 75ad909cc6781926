import { webcrypto } from 'node:crypto'

/** SHA-256, computed outside the main thread. */
export async function chunkDigestOf(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await webcrypto.subtle.digest('SHA-256', unshared(bytes)))
}

/** Web Crypto refuses memory that is shared between threads. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : Uint8Array.from(bytes)
}
