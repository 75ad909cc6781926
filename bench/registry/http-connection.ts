import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const READ_BUFFER_BYTES = 512 * 1024
/** One buffer for all connections: what is read is counted at once and then forgotten. */
const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
const HEAD_END = '\r\n\r\n'

/** The head of an answer; of its body only the length is kept. */
export interface Answer {
  readonly status: number
  readonly head: string
  readonly bytes: number
}

interface Reading {
  head: string
  answer: Answer | undefined
  received: number
  readonly done: PromiseWithResolvers<Answer>
}

/**
 * A keep-alive connection that asks and counts, as cheaply as can be: it reads into one buffer that all connections
 * share and never looks at a body, so that the load process is not what limits a fast server.
 */
export class HttpConnection {
  readonly #socket: Socket
  readonly #authority: string
  readonly #onBytes: (bytes: number) => void
  #reading: Reading | undefined
  #failure: Error | undefined

  static async open(host: string, port: number, onBytes: (bytes: number) => void): Promise<HttpConnection> {
    const connection = new HttpConnection(host, port, onBytes)
    await once(connection.#socket, 'connect')
    return connection
  }

  private constructor(host: string, port: number, onBytes: (bytes: number) => void) {
    this.#authority = `${host}:${port}`
    this.#onBytes = onBytes
    this.#socket = connect({
      host,
      port,
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (length, buffer) => {
          this.#take(length, buffer)
          return true
        }
      }
    })
    this.#socket.on('error', (error) => this.#fail(error))
    this.#socket.on('close', () => this.#fail(new Error('the server closed the connection')))
  }

  /**
   * Send a request and wait for all of its answer.
   *
   * @param body its pieces, which are not copied
   * @throws Error when the connection ends before the answer does
   */
  async request(
    method: string,
    path: string,
    headers: Readonly<Record<string, string | number>> = {},
    body?: Iterable<Uint8Array>
  ): Promise<Answer> {
    if (this.#failure !== undefined) throw this.#failure
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const reading: Reading = { head: '', answer: undefined, received: 0, done: Promise.withResolvers<Answer>() }
    this.#reading = reading
    this.#socket.write(`${method} ${path} HTTP/1.1\r\nhost: ${this.#authority}\r\n${lines.join('')}\r\n`)
    for (const piece of body ?? []) await this.#send(piece, reading)
    return await reading.done.promise
  }

  /** Cut the connection, and with it the request under way. */
  destroy(): void {
    this.#socket.destroy()
  }

  async #send(piece: Uint8Array, reading: Reading): Promise<void> {
    const written = Promise.withResolvers<void>()
    this.#socket.write(piece, () => written.resolve())
    // A server that answers or goes away in the middle of the body ends the wait.
    await Promise.race([written.promise, reading.done.promise])
    this.#onBytes(piece.length)
  }

  #take(length: number, buffer: Uint8Array): void {
    const reading = this.#reading
    if (reading === undefined) {
      this.#fail(new Error('the server sent more than it was asked for'))
      return
    }
    let body = length
    if (reading.answer === undefined) {
      reading.head += Buffer.from(buffer.buffer, buffer.byteOffset, length).toString('latin1')
      const end = reading.head.indexOf(HEAD_END)
      if (end < 0) return
      body = reading.head.length - end - HEAD_END.length
      reading.answer = parseHead(reading.head.slice(0, end))
    }
    reading.received += body
    if (reading.answer.status === 200) this.#onBytes(body)
    if (reading.received < reading.answer.bytes) return
    this.#reading = undefined
    reading.done.resolve(reading.answer)
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#socket.destroy()
    this.#reading?.done.promise.catch(() => undefined)
    this.#reading?.done.reject(this.#failure)
  }
}

function parseHead(head: string): Answer {
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1])
  const length = /^content-length: *(\d+)/im.exec(head)?.[1]
  const isEmpty = status === 204 || status === 304
  if (!isEmpty && length === undefined) throw new Error(`an answer without a length cannot be counted:\n${head}`)
  return { status, head, bytes: isEmpty ? 0 : Number(length) }
}
