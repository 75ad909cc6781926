import { hostDirectories, hostDirectory, restoreHost } from '../containerd/mirror-files.ts'
import { REGISTRY_HOST } from '../containerd/registry-host.ts'
import { repeated } from '../options/option.ts'
import { defineCommand } from './command.ts'
import { COMMON_OPTIONS } from './common-options.ts'
import { cannotWrite, NODE_OPTIONS } from './node-configure.ts'

/** `shoal node restore`: undoes `shoal node configure`. */
export const nodeRestoreCommand = defineCommand({
  words: ['node', 'restore'],
  summary: 'undo what "shoal node configure" wrote',
  details:
    'Puts back the files that were there before and takes away those that were not. Files that "shoal node configure" did not write are left alone.',
  options: {
    ...NODE_OPTIONS,
    registry: repeated(REGISTRY_HOST, 'only the files of this registry, HOST[:PORT]; none means all'),
    ...COMMON_OPTIONS
  },
  async run(values, _argument, { stdout, stderr }) {
    const root = values['config-dir']
    let exitCode = 0
    let found = 0
    try {
      const directories =
        values.registry.length === 0
          ? await hostDirectories(root)
          : await Promise.all(values.registry.map((registry) => hostDirectory(root, registry)))
      for (const directory of directories) {
        const change = await restoreHost(directory)
        if (change === undefined) continue
        found++
        if (change.done === 'kept') {
          stderr.write(`warning: ${change.path} was changed by hand and is kept; remove it if you do not need it\n`)
          exitCode = 1
        } else {
          stdout.write(`${change.done} ${change.path}\n`)
        }
      }
    } catch (cause) {
      throw cannotWrite(root, cause)
    }
    if (found === 0) stdout.write(`nothing to restore in ${root}\n`)
    return exitCode
  }
})
