import { createHash, generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { DigestAlgorithm } from '@shoal/oci'
import { digestOf } from '@shoal/oci'
import type { BlobSource, ChunkMap, ContentStoreInit, SignedChunkMap } from '../src/index.ts'
import { ChunkHasher, ContentStore, chunkLength, chunkOffset, signChunkMap } from '../src/index.ts'

export const KEYS = generateKeyPairSync('ed25519')

/** The same numbers for the same seed, each in [0, 1) (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Bytes that differ everywhere, the same for the same seed. */
export function bytesOf(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size)
  const block = createHash('shake128', { outputLength: Math.min(size, 64 * 1024) })
    .update(`${seed}`)
    .digest()
  for (let at = 0; at < size; at += block.length) {
    block.copy(bytes, at)
    bytes.writeUIntBE(at % 2 ** 40, at, Math.min(6, size - at))
  }
  return bytes
}

export function shuffled<T>(items: Iterable<T>, next: () => number): T[] {
  const list = [...items]
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1))
    const [a, b] = [list[i], list[j]]
    if (a !== undefined && b !== undefined) {
      list[i] = b
      list[j] = a
    }
  }
  return list
}

export function mapOf(bytes: Uint8Array, algorithm?: DigestAlgorithm): ChunkMap {
  const hasher = new ChunkHasher(bytes.length)
  hasher.update(bytes)
  return hasher.finish(digestOf(bytes, algorithm))
}

export function signedMapOf(bytes: Uint8Array, algorithm?: DigestAlgorithm): SignedChunkMap {
  const map = mapOf(bytes, algorithm)
  return { map, segments: signChunkMap(map, KEYS.privateKey) }
}

export function chunkOf(bytes: Buffer, map: ChunkMap, index: number): Buffer {
  const offset = chunkOffset(map, index)
  return bytes.subarray(offset, offset + chunkLength(map, index))
}

export async function* pieces(bytes: Uint8Array, size = 64 * 1024): AsyncGenerator<Uint8Array, void, void> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

export async function temporaryDirectory(test: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-content-'))
  test.after(async () => await rm(directory, { recursive: true, force: true }))
  return directory
}

/** A store that is closed and removed after the test. */
export async function temporaryStore(
  test: TestContext,
  init: Partial<ContentStoreInit> = {}
): Promise<{ store: ContentStore; directory: string }> {
  const directory = init.directory ?? (await temporaryDirectory(test))
  const store = await ContentStore.open({ ...init, directory })
  test.after(async () => await store.close())
  return { store, directory }
}

export async function add(store: ContentStore, bytes: Uint8Array): Promise<ReturnType<typeof digestOf>> {
  const ingest = await store.ingest()
  await ingest.append(pieces(bytes))
  return (await ingest.finish(digestOf(bytes))).digest
}

/** Read to the end, waiting where need be. */
export async function readAll(source: BlobSource, bufferBytes = 100_000): Promise<Buffer> {
  const all = Buffer.alloc(source.size)
  let position = 0
  while (position < source.size) {
    const available = await source.available(position)
    const end = Math.min(position + Math.min(available, bufferBytes), source.size)
    position += await source.read(all.subarray(position, end), position)
  }
  return all
}

export async function readBlob(store: ContentStore, digest: ReturnType<typeof digestOf>): Promise<Buffer | undefined> {
  const source = await store.open(digest)
  if (source === undefined) return undefined
  try {
    return await readAll(source)
  } finally {
    await source.close()
  }
}
