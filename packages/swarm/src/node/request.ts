import type { Connection, Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'

/** A request that has not been answered in this time has failed. */
export const REQUEST_TIMEOUT_MS = 5_000

/** How a request is bounded. */
export interface RequestOptions {
  /** Largest message of either direction, bytes. */
  readonly maxBytes: number
  readonly signal?: AbortSignal
}

function deadline(signal: AbortSignal | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS)
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout])
}

/** Sends one length-prefixed message on a stream of its own and resolves with the one that answers it. */
export async function request(
  connection: Connection,
  protocol: string,
  message: Uint8Array,
  options: RequestOptions
): Promise<Uint8Array> {
  const signal = deadline(options.signal)
  const stream = await connection.newStream(protocol, { signal })
  try {
    const messages = lpStream(stream, { maxDataLength: options.maxBytes })
    await messages.write(message, { signal })
    const answer = (await messages.read({ signal })).slice()
    await stream.close({ signal })
    return answer
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(String(error)))
    throw error
  }
}

/** Answers one message on an incoming stream. Whatever goes wrong resets the stream, which the asker sees. */
export async function answer(
  stream: Stream,
  options: RequestOptions,
  respond: (message: Uint8Array) => Promise<Uint8Array> | Uint8Array
): Promise<void> {
  const signal = deadline(options.signal)
  try {
    const messages = lpStream(stream, { maxDataLength: options.maxBytes })
    const message = (await messages.read({ signal })).slice()
    await messages.write(await respond(message), { signal })
    await stream.close({ signal })
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(String(error)))
    throw error
  }
}
