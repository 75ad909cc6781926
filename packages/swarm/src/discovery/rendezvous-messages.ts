import type { Digest } from '@shoal/oci'
import { type PeerAddress, readDigest, readPeers, writePeers } from '../exchange/frame.ts'
import { WireReader, WireWriter } from '../wire.ts'

/** Blobs that one rendezvous message may name. */
export const MAX_RENDEZVOUS_DIGESTS = 512
/** Peers that an answer names for one blob. */
export const RENDEZVOUS_PEERS = 20
/** Addresses that an answer names of one peer. */
export const RENDEZVOUS_ADDRESSES = 4
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

/**
 * Cuts an answer down to what a message may carry: few addresses of each peer, and of the peers for a blob those that fit into its
 * equal part of the message.
 */
export function boundRendezvousAnswer(answer: RendezvousAnswer): RendezvousAnswer {
  const most = Math.floor((MAX_RENDEZVOUS_BYTES - LENGTH_BYTES) / Math.max(1, answer.peers.length)) - LENGTH_BYTES
  const peers = answer.peers.map((all) => {
    let left = most
    return all
      .map(({ peerId, addresses }) => ({ peerId, addresses: addresses.slice(0, RENDEZVOUS_ADDRESSES) }))
      .filter((peer) => {
        const bytes = bytesOf(peer)
        if (bytes > left) return false
        left -= bytes
        return true
      })
  })
  return { peers }
}

/** Of a text or a list on the wire, before what it holds. */
const LENGTH_BYTES = 2

function bytesOf({ peerId, addresses }: PeerAddress): number {
  return [peerId, ...addresses].reduce((sum, text) => sum + LENGTH_BYTES + Buffer.byteLength(text), LENGTH_BYTES)
}

/** @throws WireError */
export function decodeRendezvousAnswer(bytes: Uint8Array): RendezvousAnswer {
  const reader = new WireReader(bytes)
  const answer = { peers: reader.list(MAX_RENDEZVOUS_DIGESTS, () => readPeers(reader)) }
  reader.end()
  return answer
}
