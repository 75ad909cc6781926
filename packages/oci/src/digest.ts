import { createHash } from 'node:crypto'
import { OciError } from './errors.ts'

/** Algorithms that the OCI image specification registers ("Digests"). */
export type DigestAlgorithm = 'sha256' | 'sha512'

declare const brand: unique symbol
/** A digest that has been checked: `sha256:` or `sha512:` and lower-case hex. */
export type Digest = string & { readonly [brand]: 'digest' }

const PATTERN = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

/** Whether `text` is a digest of an algorithm that we know. */
export function isDigest(text: string): text is Digest {
  return PATTERN.test(text)
}

/** @throws OciError `DIGEST_INVALID` */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text
  throw new OciError('DIGEST_INVALID', `"${text.slice(0, 150)}" is not a sha256 or sha512 digest`)
}

export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512'
}

export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}

/** The raw hash. */
export function digestBytes(digest: Digest): Uint8Array {
  return Buffer.from(digestHex(digest), 'hex')
}

export function digestFromBytes(algorithm: DigestAlgorithm, bytes: Uint8Array): Digest {
  return parseDigest(`${algorithm}:${Buffer.from(bytes).toString('hex')}`)
}

export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return digestFromBytes(algorithm, createHash(algorithm).update(bytes).digest())
}
