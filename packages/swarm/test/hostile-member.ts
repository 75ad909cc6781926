import { generateKeyPairSync } from 'node:crypto'
import type { ControlFrame } from '../src/exchange/frame.ts'
import { EXCHANGE_VERSION, encodeFrame } from '../src/exchange/frame.ts'
import { FrameParser } from '../src/exchange/frame-parser.ts'
import { createMemoryLanes } from '../src/exchange/memory-lane.ts'
import { type Identity, identityFromKey } from '../src/identity.ts'
import { certificateOf, type ExchangeNode } from './exchange-nodes.ts'

/** A member that says what it likes, frame by frame. */
export interface HostileMember {
  readonly identity: Identity
  /** What the node has said, hellos and pongs aside. */
  readonly frames: ControlFrame[]
  /** Payload bytes that have come. */
  readonly received: { bytes: number }
  readonly closed: Promise<void>
  send(...frames: ControlFrame[]): void
  sendBytes(bytes: Uint8Array): void
  /** Resolves when the node has dealt with all that was sent before. */
  heard(): Promise<void>
}

/** Links a member that speaks by hand with a node. */
export async function linkHostile(node: ExchangeNode): Promise<HostileMember> {
  const identity = await identityFromKey(generateKeyPairSync('ed25519').privateKey)
  const [left, right] = createMemoryLanes({ schedule: setImmediate })
  const frames: ControlFrame[] = []
  const received = { bytes: 0 }
  const closed = Promise.withResolvers<void>()
  let pong = Promise.withResolvers<void>()
  const parser = new FrameParser({
    onFrame(frame) {
      if (frame.type === 'pong') pong.resolve()
      else if (frame.type !== 'hello') frames.push(frame)
    },
    onPiece(_header, length) {
      received.bytes += length
      return undefined
    }
  })
  left.attach({ onData: (bytes) => parser.push(bytes), onClose: () => closed.resolve() })
  node.exchange.accept(right, identity.peerId, false)
  const send = (...said: ControlFrame[]) => left.send(Buffer.concat(said.map(encodeFrame)))
  const certificate = certificateOf(identity, 'agent')
  send({ type: 'hello', version: EXCHANGE_VERSION, certificate, agent: 'hostile' })
  return {
    identity,
    frames,
    received,
    closed: closed.promise,
    send,
    sendBytes: (bytes) => left.send(bytes),
    async heard() {
      pong = Promise.withResolvers<void>()
      send({ type: 'ping' })
      await Promise.race([pong.promise, closed.promise])
    }
  }
}
