import { access, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { errorCode } from '../errors.ts'
import { makeDirectories, syncDirectory, writeFileAtomically } from '../files.ts'
import { formatHostsToml, hostsTomlOrigin } from './hosts-toml.ts'
import type { RegistryHost } from './registry-host.ts'

/** Folder that containerd reads for registries without one of their own. */
export const DEFAULT_HOST_DIRECTORY = '_default'
const FILE_NAME = 'hosts.toml'
const BACKUP_SUFFIX = '.before-shoal'
/** Copies kept of files that were changed by hand after we wrote them. */
const MAX_BACKUPS = 100

/** What was done to one `hosts.toml`. */
export interface FileChange {
  readonly path: string
  readonly done: 'written' | 'unchanged' | 'removed' | 'restored' | 'kept'
  /** Where the file that was there before is now, or came from. */
  readonly backup?: string
}

/**
 * Points containerd at the agent for one registry, or for all that have no folder of their own. A file that was not written by
 * this function, or was changed since, is kept beside it. Doing it twice changes nothing.
 */
export async function configureHost(
  configDirectory: string,
  registry: RegistryHost | undefined,
  agent: string
): Promise<FileChange> {
  const directory = await hostDirectory(configDirectory, registry)
  const path = join(directory, FILE_NAME)
  const text = formatHostsToml(agent, registry)
  await makeDirectories(directory)
  const before = await readIfThere(path)
  if (before === text) return { path, done: 'unchanged' }
  if (before === undefined || hostsTomlOrigin(before) === 'ours') {
    await writeFileAtomically(path, text)
    return { path, done: 'written' }
  }
  const backup = await freeBackupName(path)
  // The copy is durable before the file is replaced, and the file is never absent.
  await writeFileAtomically(backup, before)
  await writeFileAtomically(path, text)
  return { path, done: 'written', backup }
}

/**
 * Undoes {@link configureHost}: puts the first backup back, or takes our file away. A file of ours that was changed by hand is kept
 * as it is, for its owner to decide.
 *
 * @returns undefined when there is nothing of ours
 */
export async function restoreHost(directory: string): Promise<FileChange | undefined> {
  const path = join(directory, FILE_NAME)
  const text = await readIfThere(path)
  if (text === undefined || hostsTomlOrigin(text) === 'foreign') return undefined
  if (hostsTomlOrigin(text) === 'changed') return { path, done: 'kept' }
  const backup = path + BACKUP_SUFFIX
  if (await exists(backup)) {
    await rename(backup, path)
    await syncDirectory(directory)
    return { path, done: 'restored', backup }
  }
  await rm(path)
  await syncDirectory(directory)
  await rmdir(directory).catch((error: unknown) => {
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error
  })
  return { path, done: 'removed' }
}

/** The folders of a configuration folder that may hold a `hosts.toml`. */
export async function hostDirectories(configDirectory: string): Promise<string[]> {
  try {
    const entries = await readdir(configDirectory, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map((entry) => join(configDirectory, entry.name))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}

/** The folder that containerd would read for a registry: `host_port_` wins over `host:port` where both are possible. */
export async function hostDirectory(configDirectory: string, registry: RegistryHost | undefined): Promise<string> {
  const name = registry?.name ?? DEFAULT_HOST_DIRECTORY
  const portless = /^(.*):(\d+)$/.exec(name)
  if (portless !== null) {
    const first = join(configDirectory, `${portless[1]}_${portless[2]}_`)
    if (await exists(first)) return first
  }
  return join(configDirectory, name)
}

async function freeBackupName(path: string): Promise<string> {
  const first = path + BACKUP_SUFFIX
  for (let number = 1; number < MAX_BACKUPS; number++) {
    const name = number === 1 ? first : `${first}.${number}`
    if (!(await exists(name))) return name
  }
  throw new Error(`${dirname(path)} has ${MAX_BACKUPS} backups; remove some`)
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false
  )
}

async function readIfThere(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  })
}
