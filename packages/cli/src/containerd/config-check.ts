import { normalize } from 'node:path'

/** Folder that containerd 2 reads when its configuration names none. */
const DEFAULT_CONFIG_DIRECTORY = '/etc/containerd/certs.d'
/** Version of the configuration format from which on there is a default (containerd 2). */
const FIRST_VERSION_WITH_DEFAULT = 3

/**
 * What in containerd's own configuration keeps its CRI plugin from reading the mirror configuration. `ctr` does not read it: it takes
 * `--hosts-dir`.
 *
 * @param text of `config.toml`; undefined when there is no such file
 * @param file its path, for the message
 * @returns warnings, each saying what to do; empty when all is well
 */
export function checkContainerdConfig(text: string | undefined, file: string, configDirectory: string): string[] {
  const wanted = normalize(configDirectory).replace(/\/$/, '')
  const found = text === undefined ? emptyConfig() : scan(text)
  const warnings: string[] = []
  const section =
    found.version >= FIRST_VERSION_WITH_DEFAULT ? 'io.containerd.cri.v1.images' : 'io.containerd.grpc.v1.cri'
  const add = `add to ${file}: [plugins."${section}".registry] config_path = "${wanted}", and restart containerd`
  if (found.configPath === undefined || found.configPath === '') {
    const byDefault = found.version >= FIRST_VERSION_WITH_DEFAULT && wanted === DEFAULT_CONFIG_DIRECTORY
    const where = text === undefined ? `there is no ${file}` : `${file} sets no config_path`
    if (!byDefault) warnings.push(`${where}, so Kubernetes pulls would not read ${wanted}; ${add}`)
  } else if (!found.configPath.split(':').some((path) => normalize(path).replace(/\/$/, '') === wanted)) {
    warnings.push(
      `${file} has config_path = "${found.configPath}", not ${wanted}; give --config-dir ${found.configPath.split(':')[0]}, or ${add}`
    )
  }
  if (found.hasMirrors) {
    warnings.push(`${file} has registry.mirrors, which containerd refuses beside config_path; take that section out`)
  }
  return warnings
}

interface ConfigFacts {
  version: number
  configPath: string | undefined
  hasMirrors: boolean
}

function emptyConfig(): ConfigFacts {
  return { version: 1, configPath: undefined, hasMirrors: false }
}

/** Only three facts are wanted of the file, and they stand on lines of their own; it needs no TOML parser. */
function scan(text: string): ConfigFacts {
  const facts = emptyConfig()
  let section = ''
  for (const line of text.split('\n')) {
    const header = /^\s*\[([^[\]]+)\]\s*(?:#.*)?$/.exec(line)
    if (header !== null) {
      section = (header[1] ?? '').trim()
      if (/cri.*\.registry\.mirrors(?:\.|$)/.test(section)) facts.hasMirrors = true
      continue
    }
    const pair = /^\s*([a-z_]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|(\d+))\s*(?:#.*)?$/.exec(line)
    if (pair === null) continue
    const value = pair[2] ?? pair[3] ?? pair[4] ?? ''
    if (section === '' && pair[1] === 'version') facts.version = Number(value)
    if (/cri.*\.registry$/.test(section) && pair[1] === 'config_path') facts.configPath = value
  }
  return facts
}
