import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'

const SERIAL_BYTES = 16
/** RFC 5280 4.1.2.5: for a certificate without a good expiry date. Only the fingerprint decides. */
const NOT_BEFORE = '20200101000000Z'
const NOT_AFTER = '99991231235959Z'

/** Tags of ASN.1 types (ITU-T X.690). */
const TAG = {
  integer: 2,
  bitString: 3,
  oid: 6,
  utf8String: 12,
  generalizedTime: 24,
  sequence: 48,
  set: 49,
  version: 160
}
/** Object identifiers, encoded: Ed25519 (RFC 8410 3) and common name (RFC 4519 2.3). */
const OID_ED25519 = [43, 101, 112]
const OID_COMMON_NAME = [85, 4, 3]

/** What a process shows on the direct lane. It lasts as long as the process. */
export interface LaneCertificate {
  /** PEM. */
  readonly cert: string
  /** PKCS #8 PEM. */
  readonly key: string
  readonly fingerprint: Uint8Array
}

/** The fingerprint of a certificate in DER. */
export function fingerprintOf(der: Uint8Array): Uint8Array {
  return createHash('sha256').update(der).digest()
}

/**
 * Makes a self-signed certificate with a fresh Ed25519 key. TLS wants one; nobody reads more of it than its key and its
 * fingerprint, which peers tell each other over libp2p, so it is written here instead of by a library of twenty packages.
 */
export function createLaneCertificate(): LaneCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const algorithm = der(TAG.sequence, der(TAG.oid, OID_ED25519))
  const name = der(
    TAG.sequence,
    der(TAG.set, der(TAG.sequence, der(TAG.oid, OID_COMMON_NAME), der(TAG.utf8String, Buffer.from('shoal'))))
  )
  const time = (text: string) => der(TAG.generalizedTime, Buffer.from(text))
  // A serial number is positive: its first bit is not set.
  const serial = randomBytes(SERIAL_BYTES)
  serial[0] = 1
  const unsigned = der(
    TAG.sequence,
    der(TAG.version, der(TAG.integer, [2])),
    der(TAG.integer, serial),
    algorithm,
    name,
    der(TAG.sequence, time(NOT_BEFORE), time(NOT_AFTER)),
    name,
    publicKey.export({ type: 'spki', format: 'der' })
  )
  const signature = der(TAG.bitString, [0], sign(null, unsigned, privateKey))
  const certificate = der(TAG.sequence, unsigned, algorithm, signature)
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    fingerprint: fingerprintOf(certificate)
  }
}

/** One value in the distinguished encoding rules: tag, length, contents. */
function der(tag: number, ...contents: (Uint8Array | readonly number[])[]): Buffer {
  const body = Buffer.concat(contents.map((part) => Uint8Array.from(part)))
  // Lengths from 128 on say first how many bytes they take.
  const length =
    body.length < 128 ? [body.length] : [...(body.length < 256 ? [0x81] : [0x82, body.length >> 8]), body.length & 255]
  return Buffer.concat([Uint8Array.from([tag, ...length]), body])
}
