import { checkContainerdConfig } from '../containerd/config-check.ts'
import { configureHost } from '../containerd/mirror-files.ts'
import { REGISTRY_HOST } from '../containerd/registry-host.ts'
import { CommandError, describeError, errorCode } from '../errors.ts'
import { defaulted, repeated, required } from '../options/option.ts'
import { choice } from '../values/choice.ts'
import { DIRECTORY, FILE } from '../values/text.ts'
import { SERVER_URL } from '../values/url.ts'
import { type CommandContext, defineCommand } from './command.ts'
import { COMMON_OPTIONS } from './common-options.ts'
import { DEFAULT_AGENT_URL } from './default-addresses.ts'

const DEFAULT_CONFIG_DIRECTORY = '/etc/containerd/certs.d'
const DEFAULT_CONTAINERD_CONFIG = '/etc/containerd/config.toml'

/** Options that `node configure` and `node restore` share. */
export const NODE_OPTIONS = {
  runtime: required(choice('containerd'), 'the container runtime of this node'),
  'config-dir': defaulted(DIRECTORY, DEFAULT_CONFIG_DIRECTORY, "folder of the runtime's mirror configuration")
} as const

/** `shoal node configure`: points the node's runtime at its agent. */
export const nodeConfigureCommand = defineCommand({
  words: ['node', 'configure'],
  summary: "point this node's container runtime at its agent",
  details:
    'Writes hosts.toml files that send pulls to the agent first; what the agent has not got, the runtime takes from the registry itself. A file that was there is kept beside the new one. Containerd reads the change without a restart.',
  options: {
    ...NODE_OPTIONS,
    registry: repeated(
      REGISTRY_HOST,
      'a registry to mirror, HOST[:PORT], with http:// before it if it speaks that; none means all'
    ),
    agent: defaulted(SERVER_URL, DEFAULT_AGENT_URL, "the agent's mirror"),
    'containerd-config': defaulted(
      FILE,
      DEFAULT_CONTAINERD_CONFIG,
      "containerd's own configuration, which is only checked"
    ),
    ...COMMON_OPTIONS
  },
  async run(values, _argument, context) {
    const directory = values['config-dir']
    const registries = values.registry.length === 0 ? [undefined] : values.registry
    for (const registry of registries) {
      const change = await configureHost(directory, registry, values.agent).catch((cause: unknown) => {
        throw cannotWrite(directory, cause)
      })
      context.stdout.write(`${change.done} ${change.path}\n`)
      if (change.backup !== undefined) context.stdout.write(`kept what was there as ${change.backup}\n`)
    }
    const file = values['containerd-config']
    for (const warning of checkContainerdConfig(await readConfig(file, context), file, directory)) {
      context.stderr.write(`warning: ${warning}\n`)
    }
    return 0
  }
})

/** The error for mirror configuration that cannot be written. */
export function cannotWrite(directory: string, cause: unknown): CommandError {
  const way =
    errorCode(cause) === 'EACCES' ? 'run it as root, or give another --config-dir' : 'give another --config-dir'
  return new CommandError(`cannot change ${directory}: ${describeError(cause)}; ${way}`, { cause })
}

async function readConfig(file: string, context: CommandContext): Promise<string | undefined> {
  try {
    return await context.readFile(file)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    context.stderr.write(`warning: cannot read ${file} to check it: ${describeError(error)}\n`)
    return undefined
  }
}
