import { test } from 'node:test'
import { raceWithCollections } from '../harness/soak-scenarios.ts'
import { temporaryFolder } from '../harness/temporary-folder.ts'

const SECONDS = 5

test('what is acknowledged and referred to survives collections that race with pushes, mounts and deletes', async (t) => {
  t.diagnostic(await raceWithCollections(await temporaryFolder(t), SECONDS))
})
