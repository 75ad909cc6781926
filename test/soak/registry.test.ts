import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fillAgainAndAgain, mountSmallDisk } from '../harness/full-disk.ts'
import { inMebibytes, pullAndPushAtOnce } from '../harness/memory-load.ts'
import { endToEnd } from '../harness/requirements.ts'
import { killAgainAndAgain, raceWithCollections } from '../harness/soak-scenarios.ts'
import { temporaryFolder } from '../harness/temporary-folder.ts'

/** How long each scenario lasts, seconds: `SHOAL_SOAK_SECONDS`. */
const SECONDS = Number(process.env.SHOAL_SOAK_SECONDS ?? 120)
if (!(SECONDS > 0)) throw new Error('SHOAL_SOAK_SECONDS has to be a number of seconds')

/** What a thousand pulls and fifty pushes may add to the memory of an idle registry. */
const GROWTH_MAX_BYTES = 350 * 1024 * 1024

test('a thousand pulls and fifty pushes at once stay within a fixed memory', async (t) => {
  const use = await pullAndPushAtOnce(await temporaryFolder(t))
  t.diagnostic(inMebibytes(use))
  assert.ok(use.peak - use.idle < GROWTH_MAX_BYTES, inMebibytes(use))
})

test(`collections race with pushes, mounts and deletes for ${SECONDS} s`, async (t) => {
  t.diagnostic(await raceWithCollections(await temporaryFolder(t), SECONDS))
})

test(`killed at random moments for ${SECONDS} s`, async (t) => {
  t.diagnostic(await killAgainAndAgain(await temporaryFolder(t), SECONDS, 3))
})

test(`a disk that is full again and again for ${SECONDS} s`, endToEnd(), async (t) => {
  const folder = await temporaryFolder(t)
  const unmount = mountSmallDisk(folder)
  try {
    t.diagnostic(await fillAgainAndAgain(folder, SECONDS, 3))
  } finally {
    unmount()
  }
})
