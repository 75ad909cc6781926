import type { CollectionState } from '@shoal/registry'
import { CommandError, describeError } from '../errors.ts'

const GC_TIMEOUT_MS = 30_000

/** What a collection is asked for. */
export interface GcRequest {
  readonly dryRun: boolean
  readonly untagged: boolean
  readonly graceSeconds: number
}

/** Speaks to a registry about garbage. */
export class GcClient {
  readonly #url: string
  readonly #authorization: string

  constructor(registry: string, password: string) {
    this.#url = `${registry}/api/v1/gc`
    this.#authorization = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`
  }

  /** @throws CommandError, when a collection is under way for instance */
  async start(request: GcRequest, signal: AbortSignal): Promise<CollectionState> {
    return await this.#ask('POST', signal, JSON.stringify(request))
  }

  /** The collection under way, or the last one. @throws CommandError */
  async state(signal: AbortSignal): Promise<CollectionState> {
    return await this.#ask('GET', signal)
  }

  /** @throws CommandError when none is under way */
  async cancel(signal: AbortSignal): Promise<CollectionState> {
    return await this.#ask('DELETE', signal)
  }

  async #ask(method: string, signal: AbortSignal, body?: string): Promise<CollectionState> {
    let response: Response
    let text: string
    try {
      response = await fetch(this.#url, {
        method,
        headers: { authorization: this.#authorization },
        signal: AbortSignal.any([signal, AbortSignal.timeout(GC_TIMEOUT_MS)]),
        redirect: 'error',
        ...(body === undefined ? {} : { body })
      })
      text = await response.text()
    } catch (cause) {
      signal.throwIfAborted()
      throw new CommandError(
        `cannot ask ${this.#url}: ${describeError(cause)}; give the registry's URL with --registry`,
        {
          cause
        }
      )
    }
    if (response.status === 401) {
      throw new CommandError(`${this.#url} does not take the password; give that of "admin" with --password-file`)
    }
    const document = parsed(text)
    if (!response.ok) throw new CommandError(`${this.#url}: ${detailOf(document) ?? `it answered ${response.status}`}`)
    if (!isState(document)) {
      throw new CommandError(`${this.#url} is not of a Shoal registry; give another URL with --registry`)
    }
    return document
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function detailOf(document: unknown): string | undefined {
  const detail: unknown =
    typeof document === 'object' && document !== null ? Reflect.get(document, 'detail') : undefined
  return typeof detail === 'string' ? detail : undefined
}

function isState(document: unknown): document is CollectionState {
  return typeof document === 'object' && document !== null && 'status' in document && 'removed' in document
}
