// Run by crash.test.ts, which kills it: `crash-child.ts ingest|partial DIRECTORY KEY-FILE SEED`.
// Writes a line `tick` for each step and `ack …` for each promise that the store has given.
import { createPrivateKey } from 'node:crypto'
import { readFileSync, writeSync } from 'node:fs'
import { digestOf } from '@shoal/oci'
import { ContentStore } from '../src/index.ts'
import { bytesOf, chunkOf, pieces, random, shuffled, signedMapOf } from './support.ts'

const [mode, directory = '', keyFile = '', seedText] = process.argv.slice(2)
const seed = Number(seedText)
const next = random(seed)
const MAX_BLOB_BYTES = 2_500_000
const WORKERS = 3

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

async function* ticking(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  for await (const piece of pieces(bytes, 100_000)) {
    say('tick')
    yield piece
  }
}

async function ingestForEver(store: ContentStore, worker: number): Promise<void> {
  for (let n = 0; ; n++) {
    const size = Math.floor(next() * MAX_BLOB_BYTES)
    const contentSeed = seed * 1_000_000 + worker * 10_000 + n
    const bytes = bytesOf(size, contentSeed)
    const ingest = await store.ingest()
    await ingest.append(ticking(bytes))
    const { digest } = await ingest.finish(digestOf(bytes))
    say(`ack ${digest}`)
  }
}

async function putAll(store: ContentStore): Promise<void> {
  const bytes = bytesOf(12 * 1024 * 1024)
  const signed = signedMapOf(bytes)
  const partial = await store.partial(signed)
  const missing = shuffled(partial.have.missing(), next)
  const put = async (): Promise<void> => {
    for (let index = missing.pop(); index !== undefined; index = missing.pop()) {
      say('tick')
      await partial.put(index, chunkOf(bytes, signed.map, index))
      say(`ack ${index}`)
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, put))
  say('ack whole')
  await store.close()
}

const signer = createPrivateKey(readFileSync(keyFile))
const store = await ContentStore.open({ directory, signer })
if (mode === 'ingest') await Promise.all(Array.from({ length: WORKERS }, async (_, i) => await ingestForEver(store, i)))
else await putAll(store)
