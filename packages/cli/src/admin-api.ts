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
    if (response.status === 401) {
      throw new CommandError(`${url} does not take the password; give that of "admin" with --password-file`)
    }
    const document = parsed(text)
    if (!response.ok) throw new CommandError(`${url}: ${detailOf(document) ?? `it answered ${response.status}`}`)
    return document
  }
}

/** What a command says when something else than a registry of ours answers. */
export function notShoal(url: string): CommandError {
  return new CommandError(`${url} is not of a Shoal registry; give another URL with --registry`)
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
