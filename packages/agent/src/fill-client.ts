import { type Digest, isDigest, OciError, type RegistryClient, RegistryUnreachableError } from '@shoal/oci'

const MAX_ANSWER_BYTES = 1024 * 1024
/** The registry waits a while itself before it says that there is nothing new. */
const ANSWER_TIMEOUT_MS = 25_000
const MAX_PARTS = 10_000

/** A run of bytes of a blob, as a blob of its own. */
export interface Part {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
}

/** What the registry says of a blob that it has, or fetches from an upstream. */
export interface FillAnswer {
  /** Bytes of the blob. */
  readonly size: number
  /** The name under which its parts are shared while it arrives; undefined when it is whole. */
  readonly sharing: string | undefined
  readonly parts: readonly Part[]
  /** Whether no further parts come. */
  readonly over: boolean
  /** Whether nobody else wants it, so that no parts are made. */
  readonly alone: boolean
}

/** Asks the registry for blobs of upstreams: `GET /api/v1/fills/<digest>`. */
export class FillClient {
  readonly #client: Pick<RegistryClient, 'get' | 'host'>
  readonly #asker: string

  /** @param asker by which this node is told from others */
  constructor(client: Pick<RegistryClient, 'get' | 'host'>, asker: string) {
    this.#client = client
    this.#asker = asker
  }

  /**
   * Have the registry fetch a blob that it does not have.
   *
   * @param shared what is known of its parts already, for those that follow
   * @returns undefined when the upstream does not have it
   * @throws RegistryUnreachableError, OciError when the registry refuses
   */
  async ask(
    digest: Digest,
    repository: string,
    options: { signal: AbortSignal; shared?: { sharing: string; after: number } }
  ): Promise<FillAnswer | undefined> {
    const { shared, signal } = options
    const query = new URLSearchParams({ repository, asker: this.#asker })
    if (shared !== undefined) {
      query.set('sharing', shared.sharing)
      query.set('after', String(shared.after))
    }
    const answer = await this.#client.get(`/api/v1/fills/${digest}?${query}`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]),
      maxBytes: MAX_ANSWER_BYTES
    })
    const { status } = answer
    if (status === 404) return undefined
    if (status === 401 || status === 403) throw new OciError('DENIED', `${this.#client.host} refuses ${repository}`)
    const parsed = status === 200 ? parseAnswer(new TextDecoder().decode(answer.bytes)) : undefined
    if (parsed === undefined) {
      throw new RegistryUnreachableError(this.#client.host, `it answered with status ${status} for ${digest}`)
    }
    return parsed
  }
}

function parseAnswer(text: string): FillAnswer | undefined {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return undefined
  }
  const { alone, over, parts, sharing, size } = (typeof body === 'object' && body !== null ? body : {}) as Record<
    string,
    unknown
  >
  if (!isSize(size) || !Array.isArray(parts) || parts.length > MAX_PARTS) return undefined
  const list = parts.flatMap((part: unknown) => {
    const { digest, size: length } = (typeof part === 'object' && part !== null ? part : {}) as Record<string, unknown>
    return typeof digest === 'string' && isDigest(digest) && isSize(length) && length > 0
      ? [{ digest, size: length }]
      : []
  })
  if (list.length !== parts.length) return undefined
  const shared = typeof sharing === 'string' ? sharing : undefined
  return { size, sharing: shared, parts: list, over: over === true, alone: alone === true }
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
