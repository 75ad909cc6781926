import { readdir } from 'node:fs/promises'
import path from 'node:path'

/** The SHA-256 digests of the whole blobs in a process's data folder. */
export async function storedBlobs(directory: string): Promise<Set<string>> {
  const root = path.join(directory, 'content', 'blobs', 'sha256')
  const names = await readdir(root, { recursive: true, withFileTypes: true })
  return new Set(names.filter((each) => each.isFile()).map(({ name }) => `sha256:${name}`))
}
