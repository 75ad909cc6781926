import { type PeerAddress, readPeers, writePeers } from '../exchange/frame.ts'
import { WireError, WireReader, WireWriter } from '../wire.ts'
import { MAX_CERTIFICATE_BYTES } from './certificate.ts'

const MAX_SECRET_BYTES = 64
const MAX_ZONE_BYTES = 64
/** Upper bound of an encoded request, two fields behind their lengths: anybody may send one. */
export const MAX_ADMISSION_REQUEST_BYTES = 2 + MAX_SECRET_BYTES + 2 + MAX_ZONE_BYTES
/** Upper bound of an encoded answer. */
export const MAX_ADMISSION_ANSWER_BYTES = 512 * 1024
const MAX_REASON_BYTES = 200

/** What a node shows to the registry. */
export interface AdmissionRequest {
  readonly secret: Uint8Array
  readonly zone: string
}

/** What the registry answers. */
export type AdmissionAnswer =
  | { readonly admitted: true; readonly certificate: Uint8Array; readonly neighbours: readonly PeerAddress[] }
  | { readonly admitted: false; readonly reason: string }

export function encodeAdmissionRequest(request: AdmissionRequest): Uint8Array {
  return new WireWriter().block(request.secret).text(request.zone).finish()
}

/** @throws WireError */
export function decodeAdmissionRequest(bytes: Uint8Array): AdmissionRequest {
  const reader = new WireReader(bytes)
  const request = { secret: reader.block(MAX_SECRET_BYTES), zone: reader.text(MAX_ZONE_BYTES) }
  reader.end()
  return request
}

export function encodeAdmissionAnswer(answer: AdmissionAnswer): Uint8Array {
  const writer = new WireWriter().u8(answer.admitted ? 1 : 0)
  if (!answer.admitted) return writer.text(answer.reason).finish()
  return writePeers(writer.block(answer.certificate), answer.neighbours).finish()
}

/** @throws WireError */
export function decodeAdmissionAnswer(bytes: Uint8Array): AdmissionAnswer {
  const reader = new WireReader(bytes)
  const verdict = reader.u8()
  if (verdict > 1) throw new WireError(`impossible verdict ${verdict}`)
  const answer: AdmissionAnswer =
    verdict === 0
      ? { admitted: false, reason: reader.text(MAX_REASON_BYTES) }
      : { admitted: true, certificate: reader.block(MAX_CERTIFICATE_BYTES), neighbours: readPeers(reader) }
  reader.end()
  return answer
}
