import type { Digest } from '@shoal/oci'
import { type AdminApi, notShoal } from '../admin-api.ts'
import { CommandError } from '../errors.ts'

const BACKUPS_PATH = '/api/v1/backups'

/** Fetches a backup from a running registry, which collects nothing as long as it is fetched. */
export class BackupClient {
  readonly #api: AdminApi
  readonly #registry: string
  #path = ''

  constructor(api: AdminApi, registry: string) {
    this.#api = api
    this.#registry = registry
  }

  /** Has the registry take a snapshot. @throws CommandError */
  async begin(signal: AbortSignal): Promise<void> {
    const answer = await this.#api.ask('POST', BACKUPS_PATH, signal)
    const id: unknown = typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'id') : undefined
    if (typeof id !== 'string') throw notShoal(`${this.#registry}${BACKUPS_PATH}`)
    this.#path = `${BACKUPS_PATH}/${id}`
  }

  /** The lines of the snapshot. @throws CommandError */
  async snapshot(signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    return (await this.#api.stream(`${this.#path}/snapshot`, signal)).body
  }

  /** A blob or a manifest with its size in bytes. @throws CommandError */
  async blob(digest: Digest, signal: AbortSignal): Promise<{ body: AsyncIterable<Uint8Array>; size: number }> {
    const { body, length } = await this.#api.stream(`${this.#path}/blobs/${digest}`, signal)
    if (length === undefined) throw new CommandError(`${this.#registry} does not say how large ${digest} is`)
    return { body, size: length }
  }

  /** The signed chunk map of a blob; undefined for one whose digest says it all. @throws CommandError */
  async chunkMap(digest: Digest, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const { body } = await this.#api.stream(`/api/v1/chunk-maps/${digest}`, signal)
    const bytes = Buffer.concat(await Array.fromAsync(body))
    return bytes.length === 0 ? undefined : bytes
  }

  /** Lets the registry collect again. */
  async end(): Promise<void> {
    if (this.#path === '') return
    // After an interruption too. When it cannot be told, the registry gives the backup up by itself.
    await this.#api.ask('DELETE', this.#path, AbortSignal.timeout(5_000)).catch(() => undefined)
  }
}
