import { createHash } from 'node:crypto'
import net from 'node:net'

const READ_BUFFER_BYTES = 256 * 1024
const MAX_HEAD_BYTES = 64 * 1024
const HEAD_END = '\r\n\r\n'
const STATUS_OK = 200

/** How a GET went. Seconds are counted from the call. */
export interface GetResult {
  readonly bytes: number
  readonly firstByteSeconds: number
  readonly seconds: number
  /** Of the body, in hexadecimal; only when it was asked for. */
  readonly sha256?: string
}

/** How a GET is done. */
export interface GetOptions {
  readonly hash?: boolean
  /** Stops reading after the head: the answer then waits in the socket. Resolves once the head is there. */
  readonly stall?: boolean
}

/**
 * GETs a URL over HTTP/1.1 and throws the body away. A reused read buffer and no library: the client must cost as
 * little as can be, since it runs on the processor that is measured.
 *
 * @throws Error on any answer but a 200 with a Content-Length that the body keeps
 */
export function httpGet(url: URL, options: GetOptions = {}): Promise<GetResult> {
  const startedAt = performance.now()
  const done = Promise.withResolvers<GetResult>()
  const hash = options.hash === true ? createHash('sha256') : undefined
  let head = ''
  let expected: number | undefined
  let bytes = 0
  let firstByteSeconds = 0

  const takeBody = (piece: Uint8Array) => {
    if (piece.length > 0 && bytes === 0) firstByteSeconds = (performance.now() - startedAt) / 1000
    hash?.update(piece)
    bytes += piece.length
    if (bytes < (expected ?? 0)) return
    const seconds = (performance.now() - startedAt) / 1000
    if (bytes > (expected ?? 0)) done.reject(new Error(`${url.href} sent more than ${expected} bytes`))
    done.resolve({ bytes, firstByteSeconds, seconds, ...(hash === undefined ? {} : { sha256: hash.digest('hex') }) })
    socket.destroy()
  }

  const take = (piece: Buffer) => {
    if (expected !== undefined) return takeBody(piece)
    head += piece.toString('latin1')
    const end = head.indexOf(HEAD_END)
    if (end === -1 && head.length < MAX_HEAD_BYTES) return
    const bodyStart = piece.length - (head.length - end - HEAD_END.length)
    expected = contentLength(url, head.slice(0, end))
    if (options.stall === true) done.resolve({ bytes: 0, firstByteSeconds: 0, seconds: 0 })
    else takeBody(piece.subarray(bodyStart))
  }

  const socket = net.connect({
    host: url.hostname,
    port: Number(url.port || 80),
    noDelay: true,
    onread: {
      buffer: Buffer.allocUnsafe(READ_BUFFER_BYTES),
      callback: (length, buffer) => {
        try {
          take(Buffer.from(buffer.buffer, buffer.byteOffset, length))
        } catch (error) {
          socket.destroy()
          done.reject(error)
        }
        return options.stall !== true
      }
    }
  })
  socket.on('error', (error) => done.reject(new Error(`${url.href}: ${error.message}`, { cause: error })))
  socket.on('close', () => done.reject(new Error(`${url.href} ended after ${bytes} of ${expected ?? 'unknown'} bytes`)))
  const accept = 'application/vnd.oci.image.manifest.v1+json, */*'
  socket.write(`GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nAccept: ${accept}\r\nConnection: close\r\n\r\n`)
  return done.promise
}

function contentLength(url: URL, head: string): number {
  const status = Number(head.split(' ')[1])
  if (status !== STATUS_OK) throw new Error(`${url.href} answers ${head.split('\r\n')[0]}`)
  const length = head.match(/^content-length:\s*(\d+)\s*$/im)?.[1]
  if (length === undefined) throw new Error(`${url.href} does not say how long it is`)
  return Number(length)
}
