import { hash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import tls from 'node:tls'

// The least that a Node program can do to receive chunks over TLS 1.3, hash each and write it where it belongs:
// `node tls-client.ts HOST PORT FILE SIZE CHUNK_SIZE`. It starts at a line on its input and prints the seconds that it took.

const READ_BUFFER_BYTES = 256 * 1024
/** One is filled while others are written. */
const CHUNK_BUFFERS = 4
const [host = '', port = '', file = '', size = '', chunkSize = ''] = process.argv.slice(2)

async function receive(): Promise<number> {
  const startedAt = performance.now()
  const target = await open(file, 'w')
  const free = Array.from({ length: CHUNK_BUFFERS }, () => Buffer.allocUnsafeSlow(Number(chunkSize)))
  const done = Promise.withResolvers<void>()
  let chunk = free.pop()
  let filled = 0
  let received = 0
  let written = 0

  const finish = (full: Buffer<ArrayBuffer>, length: number, position: number) => {
    hash('sha256', full.subarray(0, length), 'buffer')
    target.write(full, 0, length, position).then(() => {
      written += length
      if (chunk === undefined) chunk = full
      else free.push(full)
      if (socket.isPaused()) socket.resume()
      if (written === Number(size)) done.resolve()
    }, done.reject)
  }

  const take = (piece: Buffer) => {
    for (let offset = 0; offset < piece.length; ) {
      if (chunk === undefined) return done.reject(new Error('more came than was asked for while writes were late'))
      const length = Math.min(piece.length - offset, chunk.length - filled)
      piece.copy(chunk, filled, offset, offset + length)
      offset += length
      filled += length
      received += length
      if (filled < chunk.length && received < Number(size)) continue
      const full = chunk
      chunk = free.pop()
      const end = filled
      filled = 0
      finish(full, end, received - end)
    }
  }

  // tls.connect hands all of net.connect's options on; its types do not know of `onread`.
  const options = {
    host,
    port: Number(port),
    // As for a lane: who the other is was settled before; here nobody cares.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3' as const,
    onread: {
      buffer: Buffer.allocUnsafe(READ_BUFFER_BYTES),
      callback: (length: number, buffer: Uint8Array) => {
        take(Buffer.from(buffer.buffer, buffer.byteOffset, length))
        // With one spare chunk a whole read buffer still finds room.
        if (free.length === 0) socket.pause()
        return true
      }
    }
  }
  const socket = tls.connect(options)
  socket.on('error', done.reject)
  socket.on('secureConnect', () => socket.write('go'))
  await done.promise
  socket.destroy()
  await target.close()
  return (performance.now() - startedAt) / 1000
}

console.log('ready')
for await (const _line of createInterface({ input: process.stdin })) console.log(`seconds ${await receive()}`)
