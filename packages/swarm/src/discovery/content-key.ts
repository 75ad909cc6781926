import { createHash } from 'node:crypto'
import { type Digest, digestAlgorithm, digestBytes, parseDigest } from '@shoal/oci'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create as createMultihash } from 'multiformats/hashes/digest'

const SHA2_256 = 0x12

/**
 * The DHT key of a blob: `CIDv1(raw, sha2-256)`. A digest of another algorithm is keyed by the SHA-256 of its text,
 * because kad-dht only serves sha2-256 keys.
 */
export function contentKey(digest: Digest): CID {
  const hash = digestAlgorithm(digest) === 'sha256' ? digestBytes(digest) : createHash('sha256').update(digest).digest()
  return CID.createV1(raw.code, createMultihash(SHA2_256, hash))
}

/** The SHA-256 digest behind a DHT key; for the key of a digest of another algorithm that of no blob. */
export function digestOfKey(key: CID): Digest {
  return parseDigest(`sha256:${Buffer.from(key.multihash.digest).toString('hex')}`)
}
