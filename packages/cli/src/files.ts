import { randomBytes } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { CommandError, describeError } from './errors.ts'

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

/** Makes a folder and those above it. @throws CommandError naming the flag that chose it */
export async function makeDirectory(path: string, flag: string, mode?: number): Promise<void> {
  try {
    await mkdir(path, { recursive: true, ...(mode === undefined ? {} : { mode }) })
  } catch (cause) {
    throw new CommandError(
      `cannot make the folder ${path}: ${describeError(cause)}; give one that can be written with ${flag}`,
      { cause }
    )
  }
}
