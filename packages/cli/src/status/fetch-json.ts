import { CommandError, describeError } from '../errors.ts'

const STATUS_TIMEOUT_MS = 5000
const STATUS_MAX_BYTES = 8 * 1024 * 1024

/**
 * Asks an admin address for a JSON document.
 *
 * @returns undefined when nothing listens there
 * @throws CommandError when what answers is not an admin server of Shoal
 */
export async function fetchJson(url: string, options: { signal?: AbortSignal } = {}): Promise<unknown> {
  const timeout = AbortSignal.timeout(STATUS_TIMEOUT_MS)
  const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout])
  let response: Response
  try {
    response = await fetch(url, { signal, redirect: 'error' })
  } catch (cause) {
    options.signal?.throwIfAborted()
    if (timeout.aborted)
      throw new CommandError(`${url} has not answered in ${STATUS_TIMEOUT_MS / 1000} s; look at its log`)
    if (isRefused(cause)) return undefined
    throw new CommandError(`cannot ask ${url}: ${describeError(cause)}; give its admin address with --admin`, { cause })
  }
  if (!response.ok) {
    await response.body?.cancel()
    throw new CommandError(`${url} answered ${response.status}; give the admin address of a Shoal process with --admin`)
  }
  try {
    return JSON.parse(await boundedText(response))
  } catch (cause) {
    options.signal?.throwIfAborted()
    throw new CommandError(`${url} did not answer with JSON: ${describeError(cause)}; give another --admin`, { cause })
  }
}

async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let length = 0
  for await (const bytes of response.body ?? []) {
    length += bytes.length
    if (length > STATUS_MAX_BYTES) throw new Error('the answer is too long')
    text += decoder.decode(bytes, { stream: true })
  }
  return text + decoder.decode()
}

function isRefused(error: unknown): boolean {
  return describeError(error).includes('ECONNREFUSED')
}
