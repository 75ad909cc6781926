import { Agent, request } from 'undici'

/** What is read of an answer, so that the connection can be used again. */
const ANSWER_MAX_BYTES = 16 * 1024
const CONNECT_TIMEOUT_MS = 5000
/** Names and values in an answer's head. */
const ANSWER_HEADERS_MAX_BYTES = 16 * 1024

/** Sends something to a URL. @returns the status of the answer @throws when there is none in time */
export type Post = (
  url: string,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
  signal: AbortSignal
) => Promise<number>

/** Makes requests to webhooks. Redirects are not followed: an event would go where nobody configured it to go. */
export class WebhookClient {
  readonly #agent = new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS },
    maxHeaderSize: ANSWER_HEADERS_MAX_BYTES
  })

  readonly post: Post = async (url, headers, body, signal) => {
    const answer = await request(url, { dispatcher: this.#agent, method: 'POST', headers, body, signal })
    // What it says beside the status is of no interest, nor whether that comes to its end.
    await answer.body.dump({ limit: ANSWER_MAX_BYTES, signal }).catch(() => undefined)
    return answer.statusCode
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }
}
