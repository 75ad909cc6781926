import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type BlobSource, type ContentStore, singleChunkMap } from '@shoal/content'
import { type Digest, digestOf } from '@shoal/oci'
import type { ExchangeStore } from '../src/blob/exchange-store.ts'
import { MAX_OPEN_FILES } from '../src/blob/open-files.ts'
import { MAX_SWARMS } from '../src/blob/swarm-list.ts'
import type { ControlFrame } from '../src/exchange/frame.ts'
import {
  ANSWER_BURST_BYTES,
  ANSWER_BYTES_PER_SECOND,
  HEARSAY_BURST_PEERS,
  MAX_WANTED
} from '../src/peers/link-state.ts'
import { add, createNode, type ExchangeNode, MIB } from './exchange-nodes.ts'
import { type HostileMember, linkHostile } from './hostile-member.ts'
import { ManualClock } from './manual-clock.ts'

const digests = Array.from({ length: MAX_WANTED + 1 }, (_, i) => digestOf(Buffer.from(`blob ${i}`)))

function want(digest: Digest, channel: number): ControlFrame {
  return { type: 'bitfield', channel, digest, want: true, absent: false }
}

/** A store that has every blob there is, of one byte each, and counts what is open. */
function endlessStore(own: ContentStore) {
  const files = { open: 0, most: 0, opened: 0 }
  const store: ExchangeStore = {
    buffers: own.buffers,
    partial: (...args) => own.partial(...args),
    findPartial: (digest) => own.findPartial(digest),
    stat: (digest) => Promise.resolve({ digest, size: 1 }),
    chunkMap(digest) {
      const map = singleChunkMap(digest, 1)
      return Promise.resolve(map && { map, segments: [] })
    },
    async open(digest): Promise<BlobSource> {
      files.opened++
      files.most = Math.max(files.most, ++files.open)
      return {
        digest,
        size: 1,
        available: () => Promise.resolve(1),
        read: () => Promise.resolve(1),
        close: async () => void files.open--
      }
    }
  }
  return { files, store }
}

/** Resolves when a member has been told something. */
async function answered(member: HostileMember): Promise<void> {
  while (member.frames.length === 0) await setImmediate()
}

/** What a metric of a node says. */
async function metric(node: ExchangeNode, name: string): Promise<number | undefined> {
  return (await node.metrics.getSingleMetric(name)?.get())?.values[0]?.value
}

describe('a member that asks without end', () => {
  it('is sent so many bytes of chunk maps, and more only with time', async () => {
    const clock = new ManualClock()
    const node = await createNode('registry', { clock })
    const digest = await add(node, randomBytes(2 * MIB))
    const member = await linkHostile(node)
    const maps = () => member.frames.flatMap((frame) => (frame.type === 'map' ? [frame.segment.length] : []))
    const ask = async () => {
      for (let i = 0; i < 30; i++) {
        member.send(...Array.from({ length: 1_000 }, (): ControlFrame => ({ type: 'askMap', channel: 1 })))
        await member.heard()
      }
      return maps().reduce((sum, bytes) => sum + bytes, 0)
    }
    member.send(want(digest, 1))
    await answered(member)
    const first = await ask()
    const [segment = 0] = maps()
    assert.ok(segment > 0)
    assert.ok(first <= ANSWER_BURST_BYTES + segment, `${first} bytes`)
    clock.advance(1_000)
    const second = await ask()
    assert.ok(second > first)
    assert.ok(second <= first + ANSWER_BYTES_PER_SECOND + segment, `${second - first} bytes in a second`)
  })

  it('is not told of others again and again by leaving and coming back', async () => {
    const addresses = Array.from({ length: 16 }, () => `/dns4/${'a'.repeat(200)}/tcp/5001`)
    const node = await createNode('registry', { clock: new ManualClock(), addressesOf: () => addresses })
    const digest = await add(node, randomBytes(MIB))
    const [other, member] = [await linkHostile(node), await linkHostile(node)]
    other.send(want(digest, 1))
    await answered(other)
    const rounds = 4_000
    for (let channel = 1; channel <= rounds; channel++) {
      member.send(want(digest, channel), { type: 'leave', channel })
      if (channel % 500 === 0) await member.heard()
    }
    await member.heard()
    const told = member.frames.filter(({ type }) => type === 'peers').length
    assert.ok(told > 0)
    assert.ok(told * 16 * 216 <= ANSWER_BURST_BYTES + 4_096, `${told} times`)
  })

  it('cannot have us learn of more peers than it may name', async () => {
    const learned: string[] = []
    const node = await createNode('agent', {
      clock: new ManualClock(),
      learned: (peers) => void learned.push(...peers.map(({ peerId }) => peerId))
    })
    const member = await linkHostile(node)
    const digest = digests[0] as Digest
    const fetched = node.exchange.fetch(digest)
    fetched.catch(() => undefined)
    for (let channel = 1; channel <= 200; channel++) {
      const peers = Array.from({ length: 16 }, (_, i) => ({ peerId: `${channel} ${i}`, addresses: ['/ip4/10.0.0.1'] }))
      member.send(want(digest, channel), { type: 'peers', channel, peers }, { type: 'leave', channel })
    }
    await member.heard()
    assert.ok(learned.length > 0)
    assert.ok(learned.length < HEARSAY_BURST_PEERS + 16, `${learned.length} peers`)
  })

  it('is disconnected when it speaks of blobs faster than they can be looked for', async () => {
    const slow = Promise.withResolvers<undefined>()
    const node = await createNode('registry', {
      store: (own) => ({ ...endlessStore(own).store, stat: () => slow.promise })
    })
    const member = await linkHostile(node)
    member.send(want(digests[0] as Digest, 1))
    for (let i = 0; i < 10; i++) {
      member.send(...Array.from({ length: 1_000 }, (): ControlFrame => ({ type: 'askMap', channel: 1 })))
      if (i === 0) await member.heard()
    }
    await member.closed
    slow.resolve(undefined)
    assert.match(String(node.unlinked.get(member.identity.peerId)), /faster/)
  })

  it('is answered once for all chunks of one ask that it is not sent', async () => {
    const node = await createNode('registry')
    const digest = await add(node, randomBytes(2 * MIB))
    const member = await linkHostile(node)
    const indexes = Array.from({ length: 1_024 }, () => 0)
    member.send(want(digest, 1))
    await answered(member)
    member.send({ type: 'ask', channel: 1, indexes })
    await member.heard()
    assert.equal(member.frames.filter((frame) => frame.type === 'reject' && frame.reason === 'busy').length, 1)
  })
})

describe('a member that wants every blob there is', () => {
  async function greedy(options: { clock?: ManualClock } = {}) {
    const files = { open: 0, most: 0, opened: 0 }
    const node = await createNode('registry', {
      ...options,
      store: (own) => {
        const endless = endlessStore(own)
        Object.assign(endless.files, files)
        counted = endless.files
        return endless.store
      }
    })
    return { node, files: counted }
  }
  let counted = { open: 0, most: 0, opened: 0 }

  it('is told of no more than it may want, holds no file, and has few opened when it asks', async () => {
    const clock = new ManualClock()
    const { node, files } = await greedy({ clock })
    const member = await linkHostile(node)
    member.send(...digests.map((digest, i) => want(digest, i + 1)))
    await member.heard()
    while (member.frames.length < digests.length) await setImmediate()
    const isThere = (frame: ControlFrame) => frame.type === 'bitfield' && !frame.absent
    assert.equal(member.frames.filter(isThere).length, MAX_WANTED)
    assert.equal(files.opened, 0)
    for (let i = 0; i < MAX_WANTED; i++) {
      member.send({ type: 'ask', channel: i + 1, indexes: [0] })
      while (member.received.bytes < i + 1) await setImmediate()
    }
    assert.equal(files.opened, MAX_WANTED)
    assert.ok(files.most <= MAX_OPEN_FILES + 1, `${files.most} files at once`)
    assert.equal(await metric(node, 'shoal_open_files'), MAX_OPEN_FILES)
    // What nobody reads is closed, and opened again on demand.
    clock.advance(30_000)
    while (files.open > 0) await setImmediate()
    assert.equal(await metric(node, 'shoal_open_files'), 0)
  })

  it('may want others once it has left', async () => {
    const { node } = await greedy()
    const member = await linkHostile(node)
    member.send(...digests.slice(0, MAX_WANTED).map((digest, i) => want(digest, i + 1)))
    member.send({ type: 'leave', channel: 1 }, want(digests[MAX_WANTED] as Digest, MAX_WANTED + 1))
    while (member.frames.length < digests.length) await setImmediate()
    assert.ok(member.frames.every((frame) => frame.type !== 'bitfield' || !frame.absent))
  })

  it('and many like it, do not make the swarms grow without bound', async () => {
    const { node } = await greedy()
    const members = Math.ceil(MAX_SWARMS / MAX_WANTED) + 1
    const first = await linkHostile(node)
    for (let i = 0; i < members; i++) {
      const member = i === 0 ? first : await linkHostile(node)
      const wanted = Array.from({ length: MAX_WANTED }, (_, j) => digestOf(Buffer.from(`blob ${j} of ${i}`)))
      member.send(...wanted.map((digest, j) => want(digest, j + 1)))
      while (member.frames.length < MAX_WANTED) await setImmediate()
    }
    assert.equal(await metric(node, 'shoal_swarms'), MAX_SWARMS)
    assert.equal(first.frames.filter(({ type }) => type === 'leave').length, MAX_WANTED)
  })
})

it('what a node has in its hands is told by its metrics', async () => {
  const node = await createNode('registry')
  const digest = await add(node, randomBytes(2 * MIB))
  const member = await linkHostile(node)
  member.send(want(digest, 1))
  await answered(member)
  assert.equal(await metric(node, 'shoal_swarms'), 1)
  assert.equal(await metric(node, 'shoal_channels'), 2)
  for (const name of ['shoal_peer_queue_bytes', 'shoal_upload_queue_peers', 'shoal_deferred_frames']) {
    assert.equal(typeof (await metric(node, name)), 'number', name)
  }
})
