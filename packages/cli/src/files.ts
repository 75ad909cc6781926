import { randomBytes } from 'node:crypto'
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { CommandError, describeError, errorCode } from './errors.ts'

/** Make the names in a directory durable: a rename is only safe from a power cut after this. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Replaces or makes a file in one step: after a crash it has its old content or its new one. */
export async function writeFileAtomically(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
  const directory = dirname(path)
  const temporary = join(directory, `.${basename(path)}.${randomBytes(6).toString('hex')}`)
  try {
    const file = await open(temporary, 'wx', mode)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncDirectory(directory)
}

/**
 * Makes a folder and those above it that are missing; fine when it is there.
 *
 * Not the `recursive` of Node's mkdir, which never returns where the system lets nobody make folders, as in `/proc`.
 *
 * @param mode of the folders that are made
 */
export async function makeDirectories(path: string, mode = 0o777): Promise<void> {
  const full = resolve(path)
  try {
    await mkdir(full, { mode })
  } catch (error) {
    const parent = dirname(full)
    if (errorCode(error) !== 'ENOENT' || parent === full) return await assertDirectory(full, error)
    if (!(await isDirectory(parent))) await makeDirectories(parent, mode)
    // Once, whoever made the one above: in `/proc` nothing is ever there.
    await mkdir(full, { mode }).catch(async (again: unknown) => await assertDirectory(full, again))
  }
}

/** Somebody else made it, or it was there. */
async function assertDirectory(path: string, error: unknown): Promise<void> {
  if (!(await isDirectory(path))) throw error
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}

/** Makes a folder and those above it. @throws CommandError naming the flag that chose it */
export async function makeDirectory(path: string, flag: string, mode?: number): Promise<void> {
  try {
    await makeDirectories(path, mode)
  } catch (cause) {
    const way = `give one that can be written with ${flag}`
    throw new CommandError(`cannot make the folder ${path}: ${describeError(cause)}; ${way}`, { cause })
  }
}
