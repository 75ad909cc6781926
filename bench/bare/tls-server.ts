import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import tls from 'node:tls'

// The least that a Node program can do to send a file over TLS 1.3: `node tls-server.ts HOST PORT KEY CERT FILE`.

const BUFFER_BYTES = 256 * 1024
const BUFFERS = 8
const [host = '', port = '', key = '', cert = '', file = ''] = process.argv.slice(2)

const server = tls.createServer({
  key: readFileSync(key),
  cert: readFileSync(cert),
  minVersion: 'TLSv1.3'
})
server.on('secureConnection', (socket) => {
  const descriptor = openSync(file, 'r')
  const free = Array.from({ length: BUFFERS }, () => Buffer.allocUnsafeSlow(BUFFER_BYTES))
  let ended = false
  const send = () => {
    for (let buffer = free.pop(); buffer !== undefined && !ended; buffer = free.pop()) {
      const used = buffer
      const length = readSync(descriptor, used, 0, used.length, null)
      if (length === 0) {
        ended = true
        closeSync(descriptor)
        socket.end()
        return
      }
      socket.write(used.subarray(0, length), (error) => {
        free.push(used)
        if (error === undefined || error === null) send()
      })
    }
  }
  socket.on('error', (error) => console.error(error.message))
  socket.once('data', send)
})
server.listen(Number(port), host, () => console.log('ready'))
