import { defaulted, required } from '../options/option.ts'
import { createBoard } from '../progress/terminal-board.ts'
import { formatBytes } from '../progress/units.ts'
import { DIRECTORY, FILE } from '../values/text.ts'
import { defineCommand } from './command.ts'
import { COMMON_OPTIONS } from './common-options.ts'
import { DEFAULT_REGISTRY_DATA } from './data-folders.ts'

/** `shoal restore`: makes a registry's data folder of a backup. */
export const restoreCommand = defineCommand({
  words: ['restore'],
  summary: 'make the data folder of a registry from a backup, every byte checked',
  details:
    'The folder has to be empty or new. Start "shoal registry" on it afterwards: with the keys in the backup it is the registry that its nodes know.',
  options: {
    from: required(FILE, 'the folder or the file that "shoal backup" wrote'),
    data: defaulted(DIRECTORY, DEFAULT_REGISTRY_DATA, 'the data folder to make'),
    ...COMMON_OPTIONS
  },
  async run({ data, from }, _argument, context) {
    const { runRestore } = await import('../backup/run-restore.ts')
    const board = createBoard(context.stderr, context.environment)
    try {
      const { blobs, bytes, hasIdentity } = await runRestore({ from, data, board }, context.signal)
      board.print(`restored ${blobs} blobs, ${formatBytes(bytes)}, into ${data}`)
      if (!hasIdentity) board.print('the backup has no keys: this is a new registry, which its nodes have to join anew')
    } finally {
      board.settle()
    }
    return 0
  }
})
