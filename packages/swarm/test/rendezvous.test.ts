import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '@shoal/oci'
import {
  decodeRendezvousAnswer,
  encodeRendezvousRequest,
  MAX_RENDEZVOUS_BYTES,
  MAX_RENDEZVOUS_DIGESTS,
  RENDEZVOUS_PEERS
} from '../src/discovery/rendezvous-messages.ts'
import { RendezvousServer } from '../src/discovery/rendezvous-server.ts'
import { MAX_PEER_DIGESTS, RendezvousTable } from '../src/discovery/rendezvous-table.ts'

const digest = (i: number) => digestOf(Buffer.from(`blob ${i}`))

describe('the registry’s rendezvous', () => {
  it('answers within what a message may have, however long the addresses are', () => {
    const address = `/dns4/${'a'.repeat(240)}/tcp/1`
    const server = new RendezvousServer({ random: Math.random, addressesOf: () => Array(16).fill(address) })
    const want = Array.from({ length: MAX_RENDEZVOUS_DIGESTS }, (_, i) => digest(i))
    const request = encodeRendezvousRequest({ want, have: [], gone: [] })
    for (let peer = 0; peer < RENDEZVOUS_PEERS + 5; peer++) server.answer(`12D3KooW${'x'.repeat(44)}${peer}`, request)
    const answer = server.answer('asker', request)
    assert.ok(answer.length <= MAX_RENDEZVOUS_BYTES, `an answer of ${answer.length} bytes`)
    for (const peers of decodeRendezvousAnswer(answer).peers) assert.ok(peers.length > 0)
  })

  it('names all the peers that it may where addresses are as long as usual', () => {
    const server = new RendezvousServer({ random: Math.random, addressesOf: () => ['/ip4/10.200.30.40/tcp/5001'] })
    const request = encodeRendezvousRequest({ want: [digest(0)], have: [], gone: [] })
    for (let peer = 0; peer < 50; peer++) server.answer(`peer-${peer}`, request)
    const [peers = []] = decodeRendezvousAnswer(server.answer('asker', request)).peers
    assert.equal(peers.length, RENDEZVOUS_PEERS)
  })

  it('remembers no more of one peer than its share, and pushes nobody else out for it', () => {
    const table = new RendezvousTable(Math.random)
    table.add(digest(0), 'modest')
    for (let i = 1; i <= MAX_PEER_DIGESTS + 100; i++) table.add(digest(i), 'greedy')
    assert.equal(table.digests, MAX_PEER_DIGESTS + 1)
    assert.deepEqual(table.pick(digest(0), 'asker', 5), ['modest'])
    assert.deepEqual(table.pick(digest(1), 'asker', 5), [], 'what it named first has gone')
  })

  it('names peers of the asker’s zone for the most part', () => {
    const server = new RendezvousServer({
      random: Math.random,
      addressesOf: () => ['/ip4/10.0.0.1/tcp/1'],
      zoneOf: (peerId) => peerId.slice(0, 1)
    })
    const request = encodeRendezvousRequest({ want: [digest(0)], have: [], gone: [] })
    for (let peer = 0; peer < 50; peer++) for (const zone of ['a', 'b', 'c']) server.answer(`${zone}${peer}`, request)
    const [peers = []] = decodeRendezvousAnswer(server.answer('a-asker', request)).peers
    const near = peers.filter(({ peerId }) => peerId.startsWith('a')).length
    assert.deepEqual([peers.length, near], [20, 12])
  })
})
