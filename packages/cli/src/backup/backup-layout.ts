import { join } from 'node:path'
import { type Digest, digestAlgorithm, digestHex } from '@shoal/oci'
import { ADMIN_PASSWORD_FILE, IDENTITY_FILE, JOIN_TOKEN_FILE } from '../commands/data-folders.ts'

/** The snapshot of the metadata. It is written last: what it names is there. */
export const SNAPSHOT_NAME = 'snapshot.jsonl'
/** Whole blobs, by digest, as in a registry's own store. */
export const BLOBS_NAME = 'blobs'
/** Signed chunk maps of the blobs that have one. */
export const MAPS_NAME = 'chunk-maps'
export const SECRETS_NAME = 'secrets'
/** There while a backup is written. */
export const LOCK_NAME = 'in-progress'

/** What makes a registry the one that its nodes trust, from its data folder. */
export const SECRET_FILES: readonly string[] = [IDENTITY_FILE, JOIN_TOKEN_FILE, ADMIN_PASSWORD_FILE]

/** Mode of what only the owner may read: keys, and private images. */
export const PRIVATE_FILE_MODE = 0o600
export const PRIVATE_FOLDER_MODE = 0o700

/** Path of a blob inside a backup. */
export function blobName(digest: Digest): string {
  return inFolders(BLOBS_NAME, digest)
}

/** Path of a chunk map inside a backup. */
export function mapName(digest: Digest): string {
  return inFolders(MAPS_NAME, digest)
}

function inFolders(folder: string, digest: Digest): string {
  const hex = digestHex(digest)
  return join(folder, digestAlgorithm(digest), hex.slice(0, 2), hex)
}
