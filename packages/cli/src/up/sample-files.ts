import { lstat, readdir, readlink } from 'node:fs/promises'
import { join, relative } from 'node:path'

/** One entry of a layer, as the archive will have it. */
export interface SampleEntry {
  /** Path in the layer, with slashes, without one at its begin. */
  readonly name: string
  readonly kind: 'file' | 'symlink' | 'directory'
  /** Where its content is; of files only. */
  readonly source: string
  readonly size: number
  readonly executable: boolean
  /** Of symlinks only. */
  readonly target: string
}

/** The files of one layer. */
export interface SampleFiles {
  readonly entries: readonly SampleEntry[]
  /** Bytes of all files. */
  readonly size: number
}

/** About how large the sample image is. */
export const SAMPLE_TARGET_BYTES = 200e6
/** About how large a layer of packages is. */
export const SAMPLE_LAYER_BYTES = 20e6
const BINARY_NAME = 'usr/local/bin/node'
const MODULES_NAME = 'app/node_modules'

/**
 * Chooses what the sample image is made of: Node's own binary as the first layer, then packages, several to a layer, up to about
 * {@link SAMPLE_TARGET_BYTES}. The same files give the same layers in the same order.
 *
 * @param modules a `node_modules` folder; without it the image has one layer
 */
export async function chooseSampleFiles(binary: string, modules: string | undefined): Promise<SampleFiles[]> {
  const { size, dev, ino } = await lstat(binary)
  const first: SampleEntry = { name: BINARY_NAME, kind: 'file', source: binary, size, executable: true, target: '' }
  const layers: SampleFiles[] = [{ entries: [first], size }]
  // The binary may well be in the folder too, as a file of its own or a hard link.
  const seen = new Set([`${dev}:${ino}`])
  let room = SAMPLE_TARGET_BYTES - size
  let entries: SampleEntry[] = []
  let bytes = 0
  for (const name of modules === undefined ? [] : await packageNames(modules)) {
    const found = await walk(join(modules ?? '', name), `${MODULES_NAME}/${name}`, seen)
    if (found.size > room) continue
    room -= found.size
    bytes += found.size
    entries.push(...found.entries)
    if (bytes < SAMPLE_LAYER_BYTES) continue
    layers.push({ entries, size: bytes })
    entries = []
    bytes = 0
  }
  if (entries.length > 0) layers.push({ entries, size: bytes })
  return layers
}

/** Packages of a `node_modules` folder in the order of their names; of a scope each one. */
async function packageNames(modules: string): Promise<string[]> {
  const names: string[] = []
  for (const entry of await sorted(modules)) {
    if (!entry.isDirectory() || entry.name.startsWith('.')) continue
    if (!entry.name.startsWith('@')) names.push(entry.name)
    else for (const inner of await sorted(join(modules, entry.name))) names.push(`${entry.name}/${inner.name}`)
  }
  return names
}

async function walk(root: string, name: string, seen: Set<string>): Promise<{ entries: SampleEntry[]; size: number }> {
  const entries: SampleEntry[] = []
  let total = 0
  const pending = [root]
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const facts = await lstat(path)
    const inside = relative(root, path).split(/[/\\]/).join('/')
    const base = {
      name: inside === '' ? name : `${name}/${inside}`,
      source: path,
      size: 0,
      executable: false,
      target: ''
    }
    if (facts.isSymbolicLink()) {
      // A link out of the folder, to a package of the workspace say, leads nowhere in an image.
      if (path !== root) entries.push({ ...base, kind: 'symlink', target: await readlink(path) })
    } else if (facts.isDirectory()) {
      entries.push({ ...base, kind: 'directory' })
      const inner = await sorted(path)
      pending.push(...inner.map((entry) => join(path, entry.name)).reverse())
    } else if (facts.isFile() && !seen.has(`${facts.dev}:${facts.ino}`)) {
      seen.add(`${facts.dev}:${facts.ino}`)
      entries.push({ ...base, kind: 'file', size: facts.size, executable: (facts.mode & 0o100) !== 0 })
      total += facts.size
    }
  }
  return { entries, size: total }
}

async function sorted(directory: string) {
  const entries = await readdir(directory, { withFileTypes: true })
  return entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}
