import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What was written leaves within this time: a cut that took it back would be none in the middle. */
const CUT_DELAY_MS = 100

/** What a fault proxy does with a request. */
export interface Fault {
  /** Answers this status itself, with `retryAfterSeconds`. */
  readonly status?: number
  readonly retryAfterSeconds?: number
  /** Ends the connection after so many bytes of the body. */
  readonly cutAfter?: number
  /** Waits before it asks the server behind it, milliseconds. */
  readonly delayMs?: number
  /** Changes the byte at this place of the body. */
  readonly wrongAt?: number
  /** Does not pass on which range was asked for. */
  readonly withoutRanges?: boolean
  /** Ends the connection at once, as a server that is not there. */
  readonly refuse?: boolean
}

/** A request that came through. */
export interface PassedRequest {
  readonly method: string
  readonly path: string
  readonly range: string | undefined
}

/** An HTTP proxy before one server, which counts, and fails as it is told. */
export class FaultProxy {
  readonly requests: PassedRequest[] = []
  /** What becomes of a request; undefined leaves it alone. */
  fault: (request: PassedRequest) => Fault | undefined = () => undefined
  /** Bytes of bodies that were sent. */
  bytes = 0
  readonly #server: Server
  readonly #target: URL
  readonly #agent = new Agent({ keepAlive: true })
  readonly #bytesPerSecond: number | undefined

  /** @param options `bytesPerSecond` for all bodies of one connection together */
  static async start(target: string, options: { bytesPerSecond?: number } = {}): Promise<FaultProxy> {
    const proxy = new FaultProxy(new URL(target), options.bytesPerSecond)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  private constructor(target: URL, bytesPerSecond: number | undefined) {
    this.#target = target
    this.#bytesPerSecond = bytesPerSecond
    this.#server = createServer((incoming, response) => {
      this.#pass(incoming, response).catch(() => response.destroy())
    })
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** The requests for blobs with content, by digest. */
  blobRequests(): Map<string, number> {
    const counts = new Map<string, number>()
    for (const { method, path } of this.requests) {
      const digest = /\/blobs\/(sha256:[0-9a-f]+)/.exec(path)?.[1]
      if (method === 'GET' && digest !== undefined) counts.set(digest, (counts.get(digest) ?? 0) + 1)
    }
    return counts
  }

  /** Forget what was counted. */
  reset(): void {
    this.requests.length = 0
    this.bytes = 0
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#agent.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #pass(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers, method = 'GET', url = '/' } = incoming
    const asked = { method, path: decodeURIComponent(url), range: headers.range }
    this.requests.push(asked)
    const fault = this.fault(asked) ?? {}
    if (fault.refuse === true) {
      response.destroy()
      return
    }
    if (fault.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, fault.delayMs))
    if (fault.status !== undefined) {
      const after = fault.retryAfterSeconds
      response.writeHead(fault.status, after === undefined ? {} : { 'retry-after': String(after) }).end()
      return
    }
    const { range: _, ...others } = headers
    const passed = fault.withoutRanges === true ? others : headers
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const asking = request(new URL(url, this.#target), {
        method,
        headers: { ...passed, host: this.#target.host },
        agent: this.#agent
      })
      asking.once('response', resolve).once('error', reject)
      incoming.pipe(asking)
    })
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    await this.#send(answer, response, fault)
  }

  async #send(answer: IncomingMessage, response: ServerResponse, fault: Fault): Promise<void> {
    const began = performance.now()
    let sent = 0
    for await (const piece of answer as AsyncIterable<Buffer>) {
      const { cutAfter = Number.POSITIVE_INFINITY, wrongAt } = fault
      const bytes = Buffer.from(piece.subarray(0, Math.max(0, cutAfter - sent)))
      const at = wrongAt === undefined ? -1 : wrongAt - sent
      if (at >= 0 && at < bytes.length) bytes[at] = 255 - Number(bytes[at])
      sent += bytes.length
      this.bytes += bytes.length
      if (!response.write(bytes)) await drained(response)
      if (response.destroyed) {
        answer.destroy()
        return
      }
      if (sent >= cutAfter) {
        setTimeout(() => response.destroy(), CUT_DELAY_MS)
        answer.destroy()
        return
      }
      const due = this.#bytesPerSecond === undefined ? 0 : (sent / this.#bytesPerSecond) * 1000
      const ahead = due - (performance.now() - began)
      if (ahead > 1) await new Promise((resolve) => setTimeout(resolve, ahead))
    }
    response.end()
  }
}

/** Resolves when more may be written, or nothing any more. */
async function drained(response: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })
}
