import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '@shoal/oci'
import { type ExchangeFrame, encodeFrame } from '@shoal/swarm/parts'
import fc from 'fast-check'
import { EventQueue } from '../simulate/engine/event-queue.ts'
import { Simulation } from '../simulate/engine/simulation.ts'
import { Flow } from '../simulate/network/flow.ts'
import { Network } from '../simulate/network/network.ts'
import { frameBytes } from '../simulate/node/frame-size.ts'
import { DEFAULT_SHAPE } from '../simulate/world-shape.ts'

const PIECE_BYTES = 128 * 1024
/** At this rate a piece takes a second. */
const PIECE_PER_SECOND_MBIT = (PIECE_BYTES * 8) / 1e6

function network(more: Partial<ConstructorParameters<typeof Network>[0]> = {}) {
  const simulation = new Simulation()
  const shape = { ...DEFAULT_SHAPE, latencyMs: 10, windowBytes: 2 * PIECE_BYTES }
  return new Network({ ...shape, simulation, ...more })
}

const host = (net: Network, mbit: number, zone = 0) => net.addHost({ upMbit: mbit, downMbit: mbit, zone })

/** A transfer of so many pieces. */
const pieces = (count: number) => ({
  channel: 1,
  index: 0,
  length: count * PIECE_BYTES,
  offset: 0,
  handedOver: () => undefined
})

const toTheEnd = { until: () => false, deadline: 1e9 }

describe('the event queue', () => {
  it('gives events out by time, and in the order of their coming where that is the same', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 200 }), (times) => {
        const queue = new EventQueue()
        const order: number[] = []
        times.forEach((at, number) => {
          queue.add(at, { fire: () => order.push(number) })
        })
        while (queue.size > 0) queue.next()?.fire()
        const expected = times.map((_, number) => number).toSorted((a, b) => (times[a] ?? 0) - (times[b] ?? 0) || a - b)
        assert.deepEqual(order, expected)
      })
    )
  })
})

describe('virtual time', () => {
  it('stands still while promises are settled, and ends at its deadline', async () => {
    const simulation = new Simulation()
    const seen: number[] = []
    simulation.after(5, () => {
      void (async () => {
        for (let step = 0; step < 6; step++) await undefined
        seen.push(simulation.now())
      })()
    })
    const cancel = simulation.every(2, () => seen.push(simulation.now()))
    simulation.after(7, cancel)
    assert.equal(await simulation.run({ until: () => false, deadline: 20 }), false)
    assert.deepEqual(seen, [2, 4, 5, 6])
  })
})

describe('the network', () => {
  it('takes the time that is worked out by hand', async () => {
    const net = network()
    const [a, b] = [host(net, PIECE_PER_SECOND_MBIT), host(net, PIECE_PER_SECOND_MBIT)]
    const arrivals: number[] = []
    new Flow(net, a, b, () => arrivals.push(net.simulation.now())).send(pieces(3))
    await net.simulation.run(toTheEnd)
    // Each piece takes a second on the way out, 10 ms on the way and a second on the way in.
    assert.deepEqual(
      arrivals.map((at) => Math.round(at)),
      [2010, 3010, 4020]
    )
  })

  it('lets connections share a way out evenly, and a way in too', async () => {
    for (const way of ['out', 'in'] as const) {
      const net = network()
      const wide = () => host(net, PIECE_PER_SECOND_MBIT * 100)
      const narrow = host(net, PIECE_PER_SECOND_MBIT)
      const ends = [0, 0]
      for (const which of [0, 1]) {
        const [from, to] = way === 'out' ? [narrow, wide()] : [wide(), narrow]
        new Flow(net, from, to, () => {
          ends[which] = net.simulation.now()
        }).send(pieces(10))
      }
      await net.simulation.run(toTheEnd)
      for (const end of ends) assert.ok(end > 17_000 && end < 20_500, `way ${way}: ended at ${ends}`)
    }
  })

  it('keeps a slow receiver from holding up another', async () => {
    const net = network()
    const from = host(net, PIECE_PER_SECOND_MBIT * 10)
    const slow = host(net, PIECE_PER_SECOND_MBIT / 10)
    const quick = host(net, PIECE_PER_SECOND_MBIT * 10)
    let end = 0
    new Flow(net, from, slow, () => undefined).send(pieces(10))
    new Flow(net, from, quick, () => {
      end = net.simulation.now()
    }).send(pieces(20))
    await net.simulation.run(toTheEnd)
    assert.ok(end < 3_000, `the quick one was done at ${end}`)
  })

  it('loses no byte and makes none, and no line is faster than it is', async () => {
    const transfer = fc.record({ from: fc.nat(3), to: fc.nat(3), pieces: fc.integer({ min: 1, max: 12 }) })
    await fc.assert(
      fc.asyncProperty(fc.array(transfer, { maxLength: 12 }), fc.boolean(), async (transfers, zoned) => {
        const zones = zoned ? 2 : 1
        const net = network({ zones, zoneMbit: PIECE_PER_SECOND_MBIT / 2 })
        const hosts = [0, 1, 2, 3].map((number) => host(net, PIECE_PER_SECOND_MBIT, number % zones))
        let sent = 0
        let arrived = 0
        const into = [0, 0, 0, 0]
        for (const { from, to, pieces: count } of transfers) {
          const [sender, receiver] = [hosts[from], hosts[to]]
          if (sender === undefined || receiver === undefined || from === to) continue
          sent += count
          new Flow(net, sender, receiver, ({ length }) => {
            arrived += length / PIECE_BYTES
            into[to] = (into[to] ?? 0) + 1
            assert.ok((into[to] ?? 0) * 1000 <= net.simulation.now(), 'faster than the way in')
          }).send(pieces(count))
        }
        await net.simulation.run(toTheEnd)
        assert.equal(arrived, sent)
        const out = hosts.reduce((sum, { uplink }) => sum + uplink.payloadBytes, 0)
        assert.equal(out, sent * PIECE_BYTES)
      }),
      { numRuns: 30 }
    )
  })
})

describe('the size of a frame', () => {
  it('is that of its encoding', () => {
    const digest = digestOf(Buffer.from('blob'))
    const indexes = [1, 2, 3]
    const address = { peerId: 'peer', addresses: ['/ip4/10.0.0.1/tcp/5001', '/ip4/10.0.0.2/tcp/5001'] }
    const state = { size: 1, chunkSize: 1024 * 1024, bits: new Uint8Array(1) }
    const offer = {
      encryption: 'tls',
      fingerprint: new Uint8Array(32),
      key: new Uint8Array(32),
      addresses: address.addresses
    } as const
    const frames: ExchangeFrame[] = [
      { type: 'bitfield', channel: 1, digest, want: true, absent: false },
      { type: 'bitfield', channel: 1, digest, want: true, absent: false, state },
      { type: 'leave', channel: 1 },
      { type: 'have', channel: 1, indexes },
      { type: 'askMap', channel: 1 },
      { type: 'map', channel: 1, number: 0, total: 1, segment: new Uint8Array(99) },
      { type: 'askAny', channel: 1, count: 2, again: true, except: indexes },
      { type: 'ask', channel: 1, indexes },
      { type: 'cancel', channel: 1, indexes: [] },
      { type: 'reject', channel: 1, reason: 'busy', any: 1, indexes },
      { type: 'peers', channel: 1, peers: [address, address] },
      { type: 'lane', offer },
      { type: 'ping' },
      { type: 'pong' }
    ]
    for (const frame of frames) assert.equal(frameBytes(frame), encodeFrame(frame).length, frame.type)
  })
})
