import type { Digest } from '@shoal/oci'
import { type PeerAddress, readDigest, readPeers, writePeers } from '../exchange/frame.ts'
import { WireReader, WireWriter } from '../wire.ts'

/** Blobs that one rendezvous message may name. */
export const MAX_RENDEZVOUS_DIGESTS = 512
/** Peers that an answer names for one blob. */
export const RENDEZVOUS_PEERS = 20
/** Upper bound of an encoded message of either kind. */
export const MAX_RENDEZVOUS_BYTES = 1024 * 1024

/** What an agent tells the registry, and what it wants to be told. */
export interface RendezvousRequest {
  /** Blobs that it is looking for. Asking also makes it known as one that will have them. */
  readonly want: readonly Digest[]
  /** Blobs that it holds. */
  readonly have: readonly Digest[]
  /** Blobs that it holds no more. */
  readonly gone: readonly Digest[]
}

/** For each blob wanted, in order, peers that have it or are fetching it. */
export interface RendezvousAnswer {
  readonly peers: readonly (readonly PeerAddress[])[]
}

export function encodeRendezvousRequest(request: RendezvousRequest): Uint8Array {
  const writer = new WireWriter()
  for (const digests of [request.want, request.have, request.gone]) {
    writer.list(digests, (digest) => writer.text(digest))
  }
  return writer.finish()
}

/** @throws WireError */
export function decodeRendezvousRequest(bytes: Uint8Array): RendezvousRequest {
  const reader = new WireReader(bytes)
  const digests = () => reader.list(MAX_RENDEZVOUS_DIGESTS, () => readDigest(reader))
  const request = { want: digests(), have: digests(), gone: digests() }
  reader.end()
  return request
}

export function encodeRendezvousAnswer(answer: RendezvousAnswer): Uint8Array {
  const writer = new WireWriter()
  return writer.list(answer.peers, (peers) => writePeers(writer, peers)).finish()
}

/** @throws WireError */
export function decodeRendezvousAnswer(bytes: Uint8Array): RendezvousAnswer {
  const reader = new WireReader(bytes)
  const answer = { peers: reader.list(MAX_RENDEZVOUS_DIGESTS, () => readPeers(reader)) }
  reader.end()
  return answer
}
