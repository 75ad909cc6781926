import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { digestOf, parseDigest } from '@shoal/oci'
import { ContentStore, chunkCount, equalChunkMaps, verifySegment } from '../src/index.ts'
import { bytesOf, chunkOf, KEYS, mapOf, random, readBlob, signedMapOf, temporaryDirectory } from './support.ts'

const CHILD = join(import.meta.dirname, 'crash-child.ts')

/** Run the child until it has ticked that often, kill it, and give what it was promised until then. */
async function killed(mode: string, directory: string, seed: number, ticks: number): Promise<string[]> {
  const child = spawn(
    process.execPath,
    [CHILD, mode, join(directory, 'store'), join(directory, 'key.pem'), String(seed)],
    {
      stdio: ['ignore', 'pipe', 'inherit']
    }
  )
  const closed = once(child, 'close')
  const promised: string[] = []
  let left = ticks
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('ack ')) promised.push(line.slice('ack '.length))
    // What it still writes until the signal reaches it counts as well.
    else if (--left === 0) child.kill('SIGKILL')
  }
  const [code, signal] = await closed
  if (signal !== 'SIGKILL') assert.equal(code, 0, 'the child failed')
  return promised
}

async function prepared(t: TestContext): Promise<string> {
  const directory = await temporaryDirectory(t)
  await mkdir(join(directory, 'store'))
  await writeFile(join(directory, 'key.pem'), KEYS.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  return directory
}

test('killed during ingests: every promised blob is there, and no wrong one', async (t) => {
  const directory = await prepared(t)
  const next = random(11)
  const promised = new Set<string>()
  for (let seed = 1; seed <= 3; seed++) {
    const ticks = 1 + Math.floor(next() * 90)
    for (const digest of await killed('ingest', directory, seed, ticks)) promised.add(digest)
    const store = await ContentStore.open({ directory: join(directory, 'store') })
    for (const digest of promised)
      assert.ok(await store.stat(parseDigest(digest)), `${digest} was promised, seed ${seed}`)
    for await (const { digest, size } of store.list()) {
      const bytes = await readBlob(store, digest)
      assert.ok(bytes)
      assert.equal(bytes.length, size)
      assert.equal(digestOf(bytes), digest, `seed ${seed}`)
      const signed = await store.chunkMap(digest)
      assert.ok(signed, `${digest} has no chunk map, seed ${seed}`)
      assert.ok(equalChunkMaps(signed.map, mapOf(bytes)))
      for (const segment of signed.segments) verifySegment(segment, KEYS.publicKey)
    }
    await store.close()
    assert.deepEqual(await readdir(join(directory, 'store', 'uploads')), [])
  }
  assert.ok(promised.size > 0, 'no blob was finished: the test proves nothing')
})

test('killed during puts of chunks: every promised chunk is held, and no wrong one', async (t) => {
  const directory = await prepared(t)
  const bytes = bytesOf(12 * 1024 * 1024)
  const signed = signedMapOf(bytes)
  const next = random(12)
  const promised = new Set<string>()
  let rounds = 0
  while (!promised.has('whole')) {
    // A last round that is not killed in time ends the loop, too.
    const ticks = 1 + Math.floor(next() * 32)
    for (const index of await killed('partial', directory, rounds, ticks)) promised.add(index)
    const store = await ContentStore.open({ directory: join(directory, 'store') })
    const partial = await store.partial(signed)
    const target = Buffer.alloc(signed.map.chunkSize)
    for (let index = 0; index < chunkCount(signed.map); index++) {
      assert.ok(partial.have.has(index) || !promised.has(String(index)), `chunk ${index} was promised, round ${rounds}`)
      if (!partial.have.has(index)) continue
      const length = await partial.readChunk(index, target)
      assert.ok(target.subarray(0, length).equals(chunkOf(bytes, signed.map, index)), `chunk ${index}, round ${rounds}`)
    }
    if (partial.complete) promised.add('whole')
    await store.close()
    rounds++
    assert.ok(rounds < 50, 'there is no progress')
  }
  const store = await ContentStore.open({ directory: join(directory, 'store') })
  assert.ok((await readBlob(store, signed.map.digest))?.equals(bytes))
  await store.close()
  assert.ok(rounds > 1, 'the child was never killed in between: the test proves nothing')
})
