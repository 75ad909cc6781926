import { generateKeyPairSync, sign } from 'node:crypto'
import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { Stream, StreamMessageEvent } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

// A program: node stranger.ts MULTIADDR DIGEST. It speaks the exchange protocol as docs/protocol.md has it, with nothing
// of the product's own code, and was never admitted. It prints what it was sent, as JSON, one line for each attempt.

const EXCHANGE_PROTOCOL = '/shoal/exchange/1.0.0'
const HELLO = 1
const BITFIELD = 2
const ASK_ANY = 7
const ASK = 8
const CLOSE_DEADLINE_MS = 15_000
const HOUR_MS = 3_600_000

const [, , address = '', digest = ''] = process.argv
const { privateKey } = generateKeyPairSync('ed25519')
const seed = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url')
const libp2pKey = await generateKeyPairFromSeed('Ed25519', seed)
const peerId = peerIdFromPrivateKey(libp2pKey).toString()

const u16 = (value: number) => Buffer.from([value >> 8, value & 0xff])
const u32 = (value: number) => Buffer.concat([u16(value >>> 16), u16(value & 0xffff)])
const u64 = (value: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}
const block = (bytes: Uint8Array) => Buffer.concat([u16(bytes.length), bytes])
const text = (value: string) => block(Buffer.from(value))
const frame = (type: number, ...body: Uint8Array[]) => {
  const bytes = Buffer.concat(body)
  return Buffer.concat([u32(bytes.length + 1), Buffer.from([type]), bytes])
}

function selfSignedCertificate(): Buffer {
  const now = Date.now()
  const body = Buffer.concat([
    Buffer.from('shoal certificate 1\n'),
    text(peerId),
    Buffer.from([1]),
    u16(1),
    text('*'),
    text(''),
    u64(now),
    u64(now + HOUR_MS)
  ])
  return Buffer.concat([body, sign(null, body, privateKey)])
}

const wants = [
  frame(BITFIELD, u32(1), Buffer.from([1]), text(digest)),
  frame(ASK_ANY, u32(1), u16(4), Buffer.from([1]), u16(0)),
  frame(ASK, u32(1), u16(1), u32(0))
]
const hello = (certificate: Uint8Array) => frame(HELLO, u16(1), block(certificate), text('stranger'))
const attempts: Readonly<Record<string, readonly Uint8Array[]>> = {
  'no hello': wants,
  'an empty certificate': [hello(new Uint8Array()), ...wants],
  'a certificate that it signed itself': [hello(selfSignedCertificate()), ...wants]
}

/** Sends frames, and resolves with the types of the frames that came back once the other side has closed. */
async function attempt(stream: Stream, frames: readonly Uint8Array[]): Promise<{ types: number[]; bytes: number }> {
  const parts: Uint8Array[] = []
  const closed = Promise.withResolvers<void>()
  stream.addEventListener('message', (event: StreamMessageEvent) => {
    parts.push(event.data.slice())
  })
  stream.addEventListener('close', () => closed.resolve())
  stream.addEventListener('remoteCloseWrite', () => closed.resolve())
  for (const bytes of frames) if (stream.writeStatus === 'writable') stream.send(bytes)
  const timer = setTimeout(() => closed.reject(new Error('the peer keeps talking to a stranger')), CLOSE_DEADLINE_MS)
  await closed.promise.finally(() => clearTimeout(timer))
  const all = Buffer.concat(parts)
  const types: number[] = []
  for (let at = 0; at + 5 <= all.length; at += 4 + all.readUInt32BE(at)) types.push(all.readUInt8(at + 4))
  return { types, bytes: all.length }
}

const node = await createLibp2p({
  privateKey: libp2pKey,
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()]
})
for (const [name, frames] of Object.entries(attempts)) {
  const connection = await node.dial(multiaddr(address))
  const stream = await connection.newStream(EXCHANGE_PROTOCOL)
  const { types, bytes } = await attempt(stream, frames)
  process.stdout.write(`${JSON.stringify({ name, types, bytes })}\n`)
  connection.abort(new Error('done'))
}
process.exit(0)
