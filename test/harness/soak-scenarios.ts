import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { collectAlways, collectGarbage } from './collections.ts'
import { LocalRegistry } from './local-registry.ts'
import { RegistryLoad } from './registry-load.ts'
import { storedBlobs } from './stored-digests.ts'
import { UploadWorker } from './upload-worker.ts'

const GRACE_MS = 1500
const COLLECTION = { untagged: true, graceSeconds: GRACE_MS / 1000 }

/** Pushes, mounts, deletes, pulls and collections race for `seconds`; then everything promised is there, and nothing else. */
export async function raceWithCollections(directory: string, seconds: number): Promise<string> {
  const registry = new LocalRegistry(directory)
  await registry.start()
  try {
    const load = new RegistryLoad(registry.http, {
      repositories: 3,
      workers: 6,
      graceMs: GRACE_MS,
      random: Math.random
    })
    const over = AbortSignal.timeout(seconds * 1000)
    const [total] = await Promise.all([collectAlways(registry.http, COLLECTION, over), load.run(over)])
    await load.verify()
    const end = await collectGarbage(registry.http, { untagged: true, graceSeconds: 0 })
    assert.equal(end?.status, 'done')
    assert.deepEqual(await storedBlobs(directory), await load.verify())
    assert.ok(load.pushed > 0 && load.deleted > 0 && load.mounted > 0 && total.blobs > 0, 'nothing raced')
    return `${load.summary}; ${total.collections} collections removed ${total.manifests} manifests and ${total.blobs} blobs`
  } finally {
    await registry.kill()
  }
}

/** The registry is killed at random moments, for `seconds` and `kills` times at least; everything acknowledged is there. */
export async function killAgainAndAgain(directory: string, seconds: number, kills: number): Promise<string> {
  const registry = new LocalRegistry(directory)
  await registry.start()
  const load = new RegistryLoad(registry.http, { repositories: 3, workers: 4, graceMs: GRACE_MS, random: Math.random })
  const uploads = [new UploadWorker(registry.http, 'upload/a'), new UploadWorker(registry.http, 'upload/b')]
  const end = performance.now() + seconds * 1000
  let rounds = 0
  try {
    for (; performance.now() < end || rounds < kills; rounds++) {
      const round = new AbortController()
      const work = Promise.all([
        load.run(round.signal),
        ...uploads.map(async (upload) => await upload.run(round.signal)),
        collectAlways(registry.http, COLLECTION, round.signal)
      ])
      await Promise.race([work, setTimeout(randomInt(200, 2500))])
      await registry.kill()
      round.abort()
      await work
      await registry.start()
      await load.verify()
      for (const upload of uploads) await upload.verify()
    }
    await collectGarbage(registry.http, { untagged: true, graceSeconds: 0 })
    await collectGarbage(registry.http, { untagged: true, graceSeconds: 0 })
    const needed = await load.verify()
    assert.deepEqual(await storedBlobs(directory), needed)
    const resumed = uploads.reduce((sum, upload) => sum + upload.resumed, 0)
    const finished = uploads.reduce((sum, upload) => sum + upload.finished, 0)
    return `killed ${rounds} times; ${load.summary}; ${finished} uploads finished, ${resumed} resumed after a kill`
  } finally {
    await registry.kill()
  }
}
