import { test } from 'node:test'
import { killAgainAndAgain } from '../harness/soak-scenarios.ts'
import { temporaryFolder } from '../harness/temporary-folder.ts'

const KILLS = 3

test('everything acknowledged survives kill -9: images, and the bytes of uploads', async (t) => {
  t.diagnostic(await killAgainAndAgain(await temporaryFolder(t), 0, KILLS))
})
