import { AdminApi } from '../admin-api.ts'
import type { BackupTarget } from '../backup/backup-target.ts'
import { required } from '../options/option.ts'
import { createBoard } from '../progress/terminal-board.ts'
import { formatBytes } from '../progress/units.ts'
import { FILE } from '../values/text.ts'
import { ADMIN_OPTIONS, readPassword } from './admin-options.ts'
import { defineCommand } from './command.ts'
import { COMMON_OPTIONS } from './common-options.ts'

/** `shoal backup`: writes a backup of a running registry. */
export const backupCommand = defineCommand({
  words: ['backup'],
  summary: 'write a backup of a running registry: one instant of it, and every blob that it names',
  details:
    'Pushes, pulls and deletes go on meanwhile; garbage is not collected. Into a folder only the blobs go that are not there; a file is a tar archive of everything. Where --data can be read, the keys of the registry are in it: keep it as safe as the registry itself.',
  options: {
    output: required(FILE, 'a folder, or a file when it ends in ".tar"'),
    ...ADMIN_OPTIONS,
    ...COMMON_OPTIONS
  },
  async run(values, _argument, context) {
    const api = new AdminApi(values.registry, await readPassword(values, context))
    const [{ BackupClient }, { runBackup }] = await Promise.all([
      import('../backup/backup-client.ts'),
      import('../backup/run-backup.ts')
    ])
    const client = new BackupClient(api, values.registry)
    const target = await openTarget(values.output)
    const board = createBoard(context.stderr, context.environment)
    try {
      const result = await runBackup({ client, target, data: values.data, board }, context.signal)
      const { blobs, bytes, fetchedBlobs, fetchedBytes } = result
      board.print(
        `backed up ${blobs} blobs, ${formatBytes(bytes)}; ${fetchedBlobs} of them, ${formatBytes(fetchedBytes)}, were not there before`
      )
    } finally {
      board.settle()
    }
    return 0
  }
})

async function openTarget(output: string): Promise<BackupTarget> {
  if (output.endsWith('.tar')) return await (await import('../backup/archive-target.ts')).ArchiveTarget.open(output)
  return await (await import('../backup/folder-target.ts')).FolderTarget.open(output)
}
