import { test } from 'node:test'
import { fillAgainAndAgain, mountSmallDisk } from '../harness/full-disk.ts'
import { endToEnd } from '../harness/requirements.ts'
import { temporaryFolder } from '../harness/temporary-folder.ts'

const ROUNDS = 2

test(
  'a full disk: clear errors, nothing acknowledged is lost, and uploads go on once there is space',
  endToEnd(),
  async (t) => {
    const folder = await temporaryFolder(t)
    const unmount = mountSmallDisk(folder)
    try {
      t.diagnostic(await fillAgainAndAgain(folder, 0, ROUNDS))
    } finally {
      unmount()
    }
  }
)
