import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import type { Digest } from '@shoal/oci'
import { CHUNK_FRAME_HEADER_BYTES, EXCHANGE_VERSION, encodeFrame, writeChunkHeader } from '../src/exchange/frame.ts'
import { FrameParser } from '../src/exchange/frame-parser.ts'
import { createMemoryLanes } from '../src/exchange/memory-lane.ts'
import { type Identity, identityFromKey } from '../src/identity.ts'
import { signCertificate } from '../src/membership/certificate.ts'
import { MAX_UNPROVEN_LINKS, MAX_UNPROVEN_LINKS_PER_HOST } from '../src/peers/peer-links.ts'
import { add, certificateOf, connect, createNode, type ExchangeNode, MIB, NOW, read } from './exchange-nodes.ts'

describe('a stranger', () => {
  const shown = async (hello: (identity: Identity) => Uint8Array[]) => {
    const node = await createNode('registry')
    const digest = await add(node, randomBytes(2 * MIB))
    const stranger = await identityFromKey(generateKeyPairSync('ed25519').privateKey)
    const [left, right] = createMemoryLanes({ schedule: setImmediate })
    const closed = Promise.withResolvers<void>()
    let received = 0
    left.attach({
      onData: (bytes) => {
        received += bytes.length
      },
      onClose: () => closed.resolve()
    })
    node.exchange.accept(right, stranger.peerId, false)
    for (const frame of hello(stranger)) left.send(frame)
    left.send(encodeFrame({ type: 'bitfield', channel: 1, digest, want: true, absent: false }))
    left.send(encodeFrame({ type: 'askAny', channel: 1, count: 2, again: true, except: [] }))
    await closed.promise
    assert.equal(node.transfer.totals().sent.peer, 0)
    // Its own hello is all that the node ever says.
    assert.ok(received < 1_000, `${received} bytes were sent to a stranger`)
    return node.unlinked.get(stranger.peerId)
  }

  it('cannot take all the places for those that have not said hello from one address', async () => {
    const node = await createNode('registry', {
      hostOf: (peerId) => (peerId.startsWith('other') ? '10.0.0.2' : '10.0.0.1')
    })
    const accept = (peerId: string) =>
      node.exchange.accept(createMemoryLanes({ schedule: setImmediate })[1], peerId, false)
    const taken = Array.from({ length: MAX_UNPROVEN_LINKS }, (_, i) => accept(`silent-${i}`)).filter(Boolean)
    assert.equal(taken.length, MAX_UNPROVEN_LINKS_PER_HOST)
    assert.equal(accept('other'), true)
  })

  it('without a certificate gets nothing', async () => {
    assert.match(String(await shown(() => [])), /certificate/)
  })

  it('with another node’s certificate gets nothing', async () => {
    const other = await identityFromKey(generateKeyPairSync('ed25519').privateKey)
    const certificate = certificateOf(other, 'agent')
    const hello = encodeFrame({ type: 'hello', version: EXCHANGE_VERSION, certificate, agent: 'stranger' })
    assert.match(String(await shown(() => [hello])), /another peer/)
  })

  it('with a certificate that it signed itself gets nothing', async () => {
    const error = await shown((stranger) => {
      const body = {
        peerId: stranger.peerId,
        role: 'agent' as const,
        scopes: ['*'],
        zone: '',
        issuedAtMs: NOW,
        expiresAtMs: NOW + 1e9
      }
      const certificate = signCertificate(body, stranger.privateKey)
      return [encodeFrame({ type: 'hello', version: EXCHANGE_VERSION, certificate, agent: 'stranger' })]
    })
    assert.match(String(error), /not signed/)
  })
})

describe('a member that lies about the size of a small blob', () => {
  const bytes = Buffer.from('the right bytes of a small blob')

  /** Links `node` with a member that says that the blob has the size of `wrong`, and sends that. */
  async function linkLiar(node: ExchangeNode, digest: Digest, wrong: Uint8Array): Promise<Identity> {
    const liar = await identityFromKey(generateKeyPairSync('ed25519').privateKey)
    const [left, right] = createMemoryLanes({ schedule: setImmediate })
    const bits = wrong.length === 0 ? new Uint8Array() : Uint8Array.of(0x80)
    const parser = new FrameParser({
      onFrame(frame) {
        if (frame.type === 'bitfield') {
          const state = { size: wrong.length, chunkSize: MIB, bits }
          left.send(encodeFrame({ type: 'bitfield', channel: 1, digest, want: false, absent: false, state }))
        } else if (frame.type === 'ask') {
          const head = new Uint8Array(CHUNK_FRAME_HEADER_BYTES)
          writeChunkHeader(head, { channel: 1, index: 0, offset: 0 }, wrong.length)
          left.send(Buffer.concat([head, wrong]))
        }
      },
      onPiece: () => undefined
    })
    left.attach({ onData: (received) => parser.push(received), onClose: () => undefined })
    node.exchange.accept(right, liar.peerId, false)
    const certificate = certificateOf(liar, 'agent')
    left.send(encodeFrame({ type: 'hello', version: EXCHANGE_VERSION, certificate, agent: 'liar' }))
    return liar
  }

  it('is banned, and the blob comes from elsewhere at the next try', async () => {
    const [registry, a] = [await createNode('registry'), await createNode('agent')]
    const digest = await add(registry, bytes)
    const liar = await linkLiar(a, digest, Buffer.from('wrong'))
    const first = await a.exchange.fetch(digest)
    assert.equal(first.size, 5)
    // Who waits for the first byte is not told a size that no chunk has proved.
    await Promise.all(
      [first.available(0), a.exchange.completion(digest)].map((wait) =>
        assert.rejects(wait, { code: 'CHUNK_MISMATCH' })
      )
    )
    await first.close()
    assert.ok(a.bans.has(liar.peerId))
    connect(a, registry)
    assert.ok((await read(await a.exchange.fetch(digest))).equals(bytes))
  })

  it('cannot have it taken for an empty one', async () => {
    const [registry, a] = [await createNode('registry'), await createNode('agent')]
    const digest = await add(registry, bytes)
    await linkLiar(a, digest, new Uint8Array())
    const fetched = a.exchange.fetch(digest)
    connect(a, registry)
    assert.ok((await read(await fetched)).equals(bytes))
    await a.exchange.completion(digest)
    assert.deepEqual(await a.store.stat(digest), { digest, size: bytes.length })
  })
})
