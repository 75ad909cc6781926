import { type KeyObject, sign, verify } from 'node:crypto'
import { publicKeyOfPeer } from '../identity.ts'
import { WireError, WireReader, WireWriter } from '../wire.ts'

const TAG = 'shoal certificate 1\n'
const SIGNATURE_BYTES = 64
const MAX_PEER_ID_BYTES = 128
const MAX_ZONE_BYTES = 64
const MAX_SCOPE_BYTES = 255
const MAX_SCOPES = 32
/** Upper bound of an encoded certificate. */
export const MAX_CERTIFICATE_BYTES = 16 * 1024
/** Clocks of two nodes may differ by this much. */
export const CLOCK_LEEWAY_MS = 60_000

/** What a peer is in the mesh. */
export type Role = 'registry' | 'agent'
const ROLES: readonly Role[] = ['registry', 'agent']

/** What the registry says of a member. */
export interface Certificate {
  readonly peerId: string
  readonly role: Role
  /** Repository prefixes that the member may trade; `*` is all of them. */
  readonly scopes: readonly string[]
  readonly zone: string
  readonly issuedAtMs: number
  readonly expiresAtMs: number
}

/** A certificate that does not admit the one who shows it. */
export class CertificateError extends Error {
  readonly code = 'CERTIFICATE_INVALID'

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CertificateError'
  }
}

/** Encodes and signs a certificate with the registry's key. The layout is in docs/protocol.md. */
export function signCertificate(certificate: Certificate, privateKey: KeyObject): Uint8Array {
  const body = new WireWriter().bytes(Buffer.from(TAG)).text(certificate.peerId).u8(ROLES.indexOf(certificate.role))
  body.list(certificate.scopes, (scope) => body.text(scope))
  const bytes = body.text(certificate.zone).u64(certificate.issuedAtMs).u64(certificate.expiresAtMs).finish()
  return Buffer.concat([bytes, sign(null, bytes, privateKey)])
}

/** Who must have signed, who shows the certificate, and what time it is. */
export interface CertificateCheck {
  /** Peer id of the registry. */
  readonly authority: string
  /** Peer id that the connection itself has proved. */
  readonly peerId: string
  readonly nowMs: number
}

/**
 * Reads a certificate and checks signature, holder and expiry.
 *
 * @throws CertificateError naming what failed
 */
export function verifyCertificate(bytes: Uint8Array, check: CertificateCheck): Certificate {
  if (bytes.length > MAX_CERTIFICATE_BYTES || bytes.length <= SIGNATURE_BYTES) {
    throw new CertificateError(`a certificate cannot have ${bytes.length} bytes`)
  }
  const body = bytes.subarray(0, bytes.length - SIGNATURE_BYTES)
  const signature = bytes.subarray(bytes.length - SIGNATURE_BYTES)
  if (!verify(null, body, publicKeyOfPeer(check.authority), signature)) {
    throw new CertificateError('the certificate is not signed by this mesh’s registry')
  }
  const certificate = decode(body)
  if (certificate.peerId !== check.peerId) throw new CertificateError('the certificate belongs to another peer')
  if (isExpired(certificate, check.nowMs)) throw new CertificateError('the certificate has expired')
  if (certificate.issuedAtMs > check.nowMs + CLOCK_LEEWAY_MS) {
    throw new CertificateError('the certificate is from the future; check the clocks of both nodes')
  }
  return certificate
}

/** Whether a certificate is good no more; clocks may differ a little. */
export function isExpired(certificate: Pick<Certificate, 'expiresAtMs'>, nowMs: number): boolean {
  return certificate.expiresAtMs <= nowMs - CLOCK_LEEWAY_MS
}

function decode(body: Uint8Array): Certificate {
  try {
    const reader = new WireReader(body)
    if (Buffer.from(reader.bytes(TAG.length)).toString('latin1') !== TAG) throw new WireError('not a certificate')
    const peerId = reader.text(MAX_PEER_ID_BYTES)
    const role = ROLES[reader.u8()]
    if (role === undefined) throw new WireError('unknown role')
    const scopes = reader.list(MAX_SCOPES, () => reader.text(MAX_SCOPE_BYTES))
    const zone = reader.text(MAX_ZONE_BYTES)
    const certificate = { peerId, role, scopes, zone, issuedAtMs: reader.u64(), expiresAtMs: reader.u64() }
    reader.end()
    return certificate
  } catch (cause) {
    throw new CertificateError('the certificate is damaged', { cause })
  }
}
