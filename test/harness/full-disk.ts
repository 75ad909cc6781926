import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { open, rm } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { LocalRegistry } from './local-registry.ts'
import { described, type RegistryHttp, sha256 } from './registry-client.ts'
import { RegistryLoad } from './registry-load.ts'
import { UploadWorker } from './upload-worker.ts'

const DISK_BYTES = 48 * 1024 * 1024
const FILL_STEP_BYTES = 4096
const GRACE_MS = 2000
/** How long the disk is full in a round, and has room. */
const FULL_MS = 1200
const ROOM_MS = 800

/** A small disk of its own at `directory`: a tmpfs. Needs root. @returns what takes it away */
export function mountSmallDisk(directory: string): () => void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', directory])
  return () => execFileSync('umount', ['--lazy', directory])
}

/** Take all space that is left. @returns what gives it back */
async function fill(directory: string): Promise<() => Promise<void>> {
  const file = path.join(directory, 'filler')
  const handle = await open(file, 'w')
  try {
    for (const step of [1024 * 1024, FILL_STEP_BYTES]) {
      try {
        for (;;) await handle.write(Buffer.alloc(step))
      } catch (error) {
        assert.match(String(error), /ENOSPC/)
      }
    }
  } finally {
    await handle.close()
  }
  return async () => await rm(file, { force: true })
}

/**
 * A disk that is full again and again while clients push: clear errors, nothing acknowledged is lost, reading goes on, and
 * uploads go on where they were once there is space. In the end the registry is killed and started again.
 *
 * @param directory on a small disk
 */
export async function fillAgainAndAgain(directory: string, seconds: number, rounds: number): Promise<string> {
  const registry = new LocalRegistry(path.join(directory, 'data'))
  await registry.start()
  const { http } = registry
  const load = new RegistryLoad(http, { repositories: 2, workers: 3, graceMs: GRACE_MS, random: Math.random })
  const uploads = [new UploadWorker(http, 'upload/a'), new UploadWorker(http, 'upload/b')]
  const over = new AbortController()
  const work = Promise.all([load.run(over.signal), ...uploads.map(async (upload) => await upload.run(over.signal))])
  const failed = work.then(() => undefined)
  const end = performance.now() + seconds * 1000
  let round = 0
  try {
    await Promise.race([failed, setTimeout(ROOM_MS)])
    for (; performance.now() < end || round < rounds; round++) {
      const free = await fill(directory)
      await Promise.race([failed, setTimeout(FULL_MS)])
      if (round === 0) await assertClearError(http)
      await free()
      await collectRoom(http)
      await Promise.race([failed, setTimeout(ROOM_MS)])
    }
    over.abort()
    await work
    const refused = uploads.reduce((sum, upload) => sum + upload.refused, 0)
    assert.ok(refused > 0, 'the disk was never full')
    // Once there is space, every upload that was refused comes to its end.
    const before = uploads.map((upload) => upload.finished)
    await collectRoom(http)
    for (const [index, upload] of uploads.entries()) await upload.finish((before[index] ?? 0) + 1)
    await load.verify()
    await registry.kill()
    await registry.start()
    await load.verify()
    for (const upload of uploads) await upload.verify()
    return `${round} times full; ${load.summary}; ${refused} requests refused with 507`
  } finally {
    over.abort()
    await registry.kill()
  }
}

/** Uploads fill the disk by and by; what is finished and in no image is garbage. */
async function collectRoom(http: RegistryHttp): Promise<void> {
  const begun = await http.request('POST', '/api/v1/gc', Buffer.from(JSON.stringify({ graceSeconds: GRACE_MS / 1000 })))
  assert.ok([202, 409].includes(begun.status), described('POST gc', begun))
}

async function assertClearError(http: RegistryHttp): Promise<void> {
  const bytes = Buffer.alloc(8 * 1024 * 1024, 'full')
  const outcome = await http.pushBlob('full', bytes)
  assert.equal(outcome.status, 507, described('a push on a full disk', outcome))
  const body: unknown = JSON.parse(outcome.body.toString('utf8'))
  assert.deepEqual(body, { errors: [{ code: 'STORE_FULL', message: 'the registry has no disk space left' }] })
  assert.equal((await http.request('HEAD', `/v2/full/blobs/${sha256(bytes)}`)).status, 404)
}
