import { Readable } from 'node:stream'
import { CommandError, describeError } from './errors.ts'

const ADMIN_API_TIMEOUT_MS = 30_000

/** Speaks to a registry's API as its administrator. */
export class AdminApi {
  readonly #registry: string
  readonly #authorization: string

  constructor(registry: string, password: string) {
    this.#registry = registry
    this.#authorization = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`
  }

  /**
   * @param path begins with a slash
   * @returns what was answered, as parsed JSON; undefined when it is none
   * @throws CommandError when the registry cannot be asked, or refuses
   */
  async ask(method: string, path: string, signal: AbortSignal, body?: unknown): Promise<unknown> {
    const url = `${this.#registry}${path}`
    let response: Response
    let text: string
    try {
      response = await fetch(url, {
        method,
        headers: { authorization: this.#authorization },
        signal: AbortSignal.any([signal, AbortSignal.timeout(ADMIN_API_TIMEOUT_MS)]),
        redirect: 'error',
        ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
      text = await response.text()
    } catch (cause) {
      signal.throwIfAborted()
      const message = `cannot ask ${url}: ${describeError(cause)}; give the registry's URL with --registry`
      throw new CommandError(message, { cause })
    }
    const document = parsed(text)
    if (!response.ok) throw refused(url, response.status, document)
    return document
  }

  /**
   * Something large. It takes as long as it takes; only its beginning has to come soon.
   *
   * @returns its bytes, and how many there are as far as it is known
   * @throws CommandError when the registry cannot be asked, or refuses
   */
  async stream(
    path: string,
    signal: AbortSignal
  ): Promise<{ body: AsyncIterable<Uint8Array>; length: number | undefined }> {
    const url = `${this.#registry}${path}`
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(new Error('it does not answer')), ADMIN_API_TIMEOUT_MS)
    try {
      const headers = { authorization: this.#authorization }
      const response = await fetch(url, {
        headers,
        redirect: 'error',
        signal: AbortSignal.any([signal, late.signal])
      })
      if (!response.ok) throw refused(url, response.status, parsed(await response.text()))
      const length = response.headers.get('content-length')
      return { body: response.body ?? Readable.from([]), length: length === null ? undefined : Number(length) }
    } catch (cause) {
      signal.throwIfAborted()
      if (cause instanceof CommandError) throw cause
      throw new CommandError(`cannot ask ${url}: ${describeError(cause)}; give the registry's URL with --registry`, {
        cause
      })
    } finally {
      clearTimeout(timer)
    }
  }
}

/** What a command says when something else than a registry of ours answers. */
export function notShoal(url: string): CommandError {
  return new CommandError(`${url} is not of a Shoal registry; give another URL with --registry`)
}

function refused(url: string, status: number, document: unknown): CommandError {
  if (status === 401) {
    return new CommandError(`${url} does not take the password; give that of "admin" with --password-file`)
  }
  return new CommandError(`${url}: ${detailOf(document) ?? `it answered ${status}`}`)
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
