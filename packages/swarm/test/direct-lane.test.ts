import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect as connectPlain, createServer } from 'node:net'
import { after, describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { type Clock, systemClock } from '../src/clock.ts'
import type { ChunkOutlet } from '../src/exchange/chunk-outlet.ts'
import type { LaneEncryption, LaneOffer } from '../src/exchange/frame.ts'
import { ANSWER_BYTES, greet, proveTo } from '../src/lane/challenge.ts'
import { type DirectLane, DirectLanes, MIN_REDIAL_MS } from '../src/lane/direct-lanes.ts'
import { dialTargets, parseTcpMultiaddr } from '../src/lane/lane-address.ts'
import { createLaneCertificate } from '../src/lane/lane-certificate.ts'
import { MAX_UNPROVEN_PER_HOST, PROOF_TIMEOUT_MS } from '../src/lane/lane-server.ts'
import { silentLogger } from '../src/logger.ts'
import { WireError } from '../src/wire.ts'
import { ManualClock } from './manual-clock.ts'

const LOOPBACK = { host: '127.0.0.1', port: 0 }
const all: DirectLanes[] = []

after(async () => {
  for (const lanes of all) await lanes.stop()
})

async function start(
  encryption: LaneEncryption,
  listen: typeof LOOPBACK | 'off' = LOOPBACK,
  clock: Clock = systemClock
) {
  const lanes = new DirectLanes({
    listen: listen === 'off' ? undefined : listen,
    encryption,
    clock,
    logger: silentLogger
  })
  await lanes.start()
  all.push(lanes)
  return lanes
}

/** One end of a lane with what it has seen. */
class End {
  readonly lane: DirectLane
  readonly received: Buffer[] = []
  outlet: ChunkOutlet | undefined
  opened = 0
  closed: (Error | undefined)[] = []
  refuse: Error | undefined
  #changed = Promise.withResolvers<void>()

  constructor(lanes: DirectLanes) {
    this.lane = lanes.open({
      host: undefined,
      onOutlet: (outlet) => {
        this.outlet = outlet
        this.#change()
      },
      onOpen: () => {
        this.opened++
        this.#change()
        return (bytes) => {
          if (this.refuse !== undefined) throw this.refuse
          this.received.push(Buffer.from(bytes))
          this.#change()
        }
      },
      onClosed: (error) => {
        this.closed.push(error)
        this.#change()
      }
    })
  }

  get bytes(): Buffer {
    return Buffer.concat(this.received)
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await this.#changed.promise
  }

  #change(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}

function introduce(a: End, b: End): void {
  a.lane.onOffer(b.lane.offer)
  b.lane.onOffer(a.lane.offer)
}

async function send(outlet: ChunkOutlet | undefined, bytes: Uint8Array): Promise<void> {
  assert.ok(outlet)
  const frame = await outlet.frame(bytes.length)
  frame.set(bytes)
  outlet.send(frame)
}

const pairs: [LaneEncryption, LaneEncryption][] = [
  ['tls', 'tls'],
  ['none', 'none'],
  ['tls', 'none']
]

describe('a direct lane', () => {
  for (const [ours, theirs] of pairs) {
    it(`carries frames both ways between a node with ${ours} and one with ${theirs}`, async () => {
      const [a, b] = [new End(await start(ours)), new End(await start(theirs))]
      introduce(a, b)
      await Promise.all([a.until(() => a.outlet !== undefined), b.until(() => b.outlet !== undefined)])
      const sent = Array.from({ length: 40 }, (_, i) => Buffer.alloc(100_000 + i, i))
      for (const bytes of sent) {
        await send(a.outlet, bytes)
        await send(b.outlet, bytes)
      }
      const expected = Buffer.concat(sent)
      await Promise.all([a, b].map((end) => end.until(() => end.bytes.length >= expected.length)))
      assert.ok(a.bytes.equals(expected))
      assert.ok(b.bytes.equals(expected))
      assert.equal(a.outlet?.kind, 'direct')
    })
  }

  it('comes back when it is lost', async () => {
    const [a, b] = [new End(await start('tls')), new End(await start('tls'))]
    introduce(a, b)
    await Promise.all([a.until(() => a.opened === 1), b.until(() => b.outlet !== undefined)])
    a.refuse = new WireError('nonsense')
    await send(b.outlet, Buffer.from('x'))
    await a.until(() => a.closed.length === 1)
    assert.ok(a.closed[0] instanceof WireError)
    a.refuse = undefined
    await a.until(() => a.opened === 2)
    await b.until(() => b.outlet?.closed === false)
    await send(b.outlet, Buffer.from('again'))
    await a.until(() => a.bytes.length === 5)
  })

  it('comes about when it could not be dialled at first', async () => {
    const placeholder = createServer().listen(LOOPBACK)
    await once(placeholder, 'listening')
    const { port } = placeholder.address() as AddressInfo
    await new Promise((resolve) => placeholder.close(resolve))
    const late = new DirectLanes({
      listen: { ...LOOPBACK, port },
      encryption: 'tls',
      clock: systemClock,
      logger: silentLogger
    })
    all.push(late)
    const clock = new ManualClock()
    const [a, b] = [new End(await start('tls', 'off', clock)), new End(late)]
    b.lane.onOffer(a.lane.offer)
    a.lane.onOffer({ ...b.lane.offer, addresses: [`/ip4/127.0.0.1/tcp/${port}`] })
    while (clock.waiting === 0) await setImmediate()
    assert.equal(a.opened, 0)
    await late.start()
    clock.advance(MIN_REDIAL_MS)
    await a.until(() => a.opened === 1)
    await b.until(() => b.outlet !== undefined)
  })

  it('is only used by a node that listens nowhere to receive', async () => {
    const [a, b] = [new End(await start('tls', 'off')), new End(await start('tls'))]
    assert.deepEqual(a.lane.offer.addresses, [])
    introduce(a, b)
    await Promise.all([a.until(() => a.opened === 1), b.until(() => b.outlet !== undefined)])
    assert.equal(a.outlet, undefined)
    assert.equal(b.opened, 0)
  })

  it('holds back a sender while its receiver is paused', async () => {
    const lanes = await start('tls')
    const [a, b] = [new End(lanes), new End(await start('tls'))]
    introduce(a, b)
    await Promise.all([a.until(() => a.opened === 1), b.until(() => b.outlet !== undefined)])
    lanes.pause(true)
    const { outlet } = b
    assert.ok(outlet)
    let sent = 0
    const pumping = (async () => {
      for (; sent < 1_000; sent++) {
        const frame = await outlet.frame(128 * 1024)
        outlet.send(frame)
      }
    })()
    // 128 MiB do not fit into the buffers in between: the pump stands still long before its end.
    for (let before = -1; before !== sent; ) {
      before = sent
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    assert.ok(sent < 1_000)
    lanes.pause(false)
    await pumping
    await a.until(() => a.bytes.length === 1_000 * 128 * 1024)
  })

  it('wakes the next who waits to send, not one who has given up', async () => {
    const lanes = await start('tls')
    const [a, b] = [new End(lanes), new End(await start('tls'))]
    introduce(a, b)
    await Promise.all([a.until(() => a.opened === 1), b.until(() => b.outlet !== undefined)])
    const { outlet } = b
    assert.ok(outlet)
    const bytes = 128 * 1024
    const frames = [await outlet.frame(bytes), await outlet.frame(bytes)]
    const controller = new AbortController()
    const { signal } = controller
    const givenUp = [outlet.frame(bytes, { signal }), outlet.frame(bytes, { signal })].map((frame) =>
      assert.rejects(frame)
    )
    const next = outlet.frame(bytes)
    controller.abort()
    await Promise.all(givenUp)
    for (const frame of frames) outlet.send(frame)
    outlet.send(await next, { unsent: true })
  })

  it('is offered once: who offers it again would be dialled twice', async () => {
    const [a, b] = [new End(await start('tls')), new End(await start('tls'))]
    a.lane.onOffer(b.lane.offer)
    assert.throws(() => a.lane.onOffer(b.lane.offer), WireError)
  })

  for (const encryption of ['tls', 'none'] as const) {
    it(`is the right peer’s although another claimed its certificate first, ${encryption}`, async () => {
      const lanes = await start(encryption)
      const [thief, honest, other] = [new End(lanes), new End(lanes), new End(await start(encryption))]
      thief.lane.onOffer({ ...other.lane.offer, addresses: [] })
      honest.lane.onOffer({ ...other.lane.offer, addresses: [] })
      other.lane.onOffer(honest.lane.offer)
      await honest.until(() => honest.outlet !== undefined)
      assert.equal(thief.outlet, undefined)
    })
  }

  it('frees whoever waits to send when it closes', async () => {
    const lanes = await start('tls')
    const [a, b] = [new End(lanes), new End(await start('tls'))]
    introduce(a, b)
    await Promise.all([a.until(() => a.opened === 1), b.until(() => b.outlet !== undefined)])
    lanes.pause(true)
    const { outlet } = b
    assert.ok(outlet)
    const pumping = (async () => {
      for (;;) outlet.send(await outlet.frame(128 * 1024))
    })()
    const rejected = assert.rejects(pumping, /closed/)
    await new Promise((resolve) => setTimeout(resolve, 50))
    b.lane.close()
    await rejected
  })
})

describe('whoever dials a lane without having been introduced', () => {
  async function expectant(encryption: LaneEncryption) {
    const end = new End(await start(encryption))
    const peer = createLaneCertificate()
    const offer: LaneOffer = { encryption, fingerprint: peer.fingerprint, key: Buffer.alloc(32), addresses: [] }
    end.lane.onOffer(offer)
    const target = parseTcpMultiaddr(end.lane.offer.addresses[0] ?? '')
    assert.ok(target)
    return { end, peer, target }
  }

  it('is refused over TLS with another certificate, or none', async () => {
    const { end, target } = await expectant('tls')
    for (const shown of [createLaneCertificate(), {}]) {
      const socket = connectTls({ ...target, ...shown, rejectUnauthorized: false })
      socket.on('error', () => undefined)
      await once(socket, 'close')
    }
    assert.equal(end.outlet, undefined)
  })

  it('is refused without encryption where TLS is asked for', async () => {
    const { end, target } = await expectant('tls')
    const socket = connectPlain(target)
    socket.write(greet(end.lane.offer.key).message)
    await once(socket, 'close')
    assert.equal(end.outlet, undefined)
  })

  it('is refused without encryption when it does not have the key', async () => {
    const { end, target } = await expectant('none')
    const socket = connectPlain(target)
    socket.on('error', () => undefined)
    socket.write(greet(end.lane.offer.key).message)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    assert.equal(answer.length, ANSWER_BYTES)
    socket.write(Buffer.alloc(32, 1))
    await once(socket, 'close')
    assert.equal(end.outlet, undefined)
  })

  it('is closed when the link has ended while it proved who it is', async () => {
    const { end, target } = await expectant('none')
    const socket = connectPlain(target)
    socket.on('error', () => undefined)
    const { message, nonce } = greet(end.lane.offer.key)
    socket.write(message)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    end.lane.close()
    socket.write(proveTo(end.lane.offer.key, nonce, answer))
    await once(socket, 'close')
    assert.equal(end.outlet, undefined)
  })

  it('cannot take all places from one host', async () => {
    const { target } = await expectant('tls')
    const sockets = Array.from({ length: MAX_UNPROVEN_PER_HOST + 1 }, () => connectPlain(target))
    for (const socket of sockets) socket.on('error', () => undefined)
    await Promise.race(sockets.map((socket) => once(socket.resume(), 'close')))
    for (const socket of sockets) socket.destroy()
  })

  it('is closed when it says too little for too long, and not before', async () => {
    const clock = new ManualClock()
    const lanes = await start('tls', LOOPBACK, clock)
    const end = new End(lanes)
    const target = parseTcpMultiaddr(end.lane.offer.addresses[0] ?? '')
    assert.ok(target)
    // Silent, with the beginning of a TLS handshake, and with the beginning of a greeting.
    const sockets = ['', '\x16\x03\x01', 'shoal lane'].map((begun) => {
      const socket = connectPlain(target)
      socket.on('error', () => undefined)
      socket.write(begun)
      return socket
    })
    const closed = sockets.map((socket) => new Promise((resolve) => socket.resume().once('close', resolve)))
    while (lanes.unproven !== sockets.length) await setImmediate()
    clock.advance(PROOF_TIMEOUT_MS - 1)
    assert.equal(lanes.unproven, sockets.length)
    clock.advance(1)
    await Promise.all(closed)
    while (lanes.unproven !== 0) await setImmediate()
  })

  it('is refused when it says something else', async () => {
    const { end, target } = await expectant('none')
    for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(200, 's')]) {
      const socket = connectPlain(target)
      socket.on('error', () => undefined)
      socket.write(bytes)
      await once(socket, 'close')
    }
    assert.equal(end.outlet, undefined)
  })
})

it('a dialler takes no chunks from whoever has another certificate than it was told', async () => {
  const honest = new End(await start('tls'))
  const impostor = await start('tls')
  const end = new End(await start('tls'))
  end.lane.onOffer({ ...honest.lane.offer, addresses: impostor.addresses })
  await new Promise((resolve) => setTimeout(resolve, 100))
  assert.equal(end.opened, 0)
})

describe('dial targets', () => {
  it('begin with the host that is known to lead to the peer', () => {
    const offered = ['/ip4/172.17.0.1/tcp/5002', '/ip4/10.0.0.7/tcp/5002', '/ip6/fd00::7/tcp/5002']
    assert.deepEqual(dialTargets(offered, '10.0.0.7'), [
      { host: '10.0.0.7', port: 5002 },
      { host: '172.17.0.1', port: 5002 },
      { host: 'fd00::7', port: 5002 }
    ])
    assert.deepEqual(dialTargets(offered.slice(0, 1), '10.0.0.9')[0], { host: '10.0.0.9', port: 5002 })
    assert.deepEqual(dialTargets([], '10.0.0.9'), [])
  })

  it('are TCP addresses only', () => {
    for (const text of [
      '',
      '/ip4/10.0.0.7/udp/1',
      '/ip4/fd00::7/tcp/1',
      '/ip4/10.0.0.7/tcp/0',
      '/unix/tmp',
      '/ip4/10.0.0.7'
    ]) {
      assert.equal(parseTcpMultiaddr(text), undefined, text)
    }
  })
})
