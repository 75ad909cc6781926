import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Agent, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { LocalRegistry } from './local-registry.ts'
import { sha256 } from './registry-client.ts'

const PULLS = 1000
const PUSHES = 50
const PULL_BYTES = 4 * 1024 * 1024
const PUSH_BYTES = 4 * 1024 * 1024
/** What comes of a push before the client stalls. */
const FIRST_BYTES = 1024 * 1024
const STALL_MS = 5000
const MIB = 1024 * 1024

/** Resident memory of a registry, bytes. */
export interface MemoryUse {
  readonly idle: number
  /** The most while a thousand pulls and fifty pushes were under way, stalled first and then as fast as they could. */
  readonly peak: number
}

/** Clients that pull and push at once, a thousand and fifty of them unless told otherwise, each of which stalls for a while. */
export async function pullAndPushAtOnce(
  directory: string,
  { pulls = PULLS, pushes = PUSHES } = {}
): Promise<MemoryUse> {
  const registry = new LocalRegistry(directory)
  await registry.start()
  const agent = new Agent({ maxSockets: 2 * (pulls + pushes) })
  try {
    const credentials = `admin:${(await readFile(`${directory}/admin-password`, 'utf8')).trim()}`
    const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`
    const { hostname: host, port } = new URL(registry.http.url)
    const send = (method: string, path: string, headers: OutgoingHttpHeaders = {}) =>
      request({ host, port, agent, method, path, headers: { authorization, ...headers } })
    const blob = randomBytes(PULL_BYTES)
    await registry.http.pushBlob('app', blob)
    const idle = (await memoryOf(registry.process.pid)).now
    const go = Promise.withResolvers<void>()
    const pulling = Array.from({ length: pulls }, async () => {
      const asked = send('GET', `/v2/app/blobs/${sha256(blob)}`)
      asked.end()
      const [response]: IncomingMessage[] = await once(asked, 'response')
      await go.promise
      let bytes = 0
      for await (const piece of response ?? []) bytes += piece.length
      if (bytes !== PULL_BYTES) throw new Error(`a pull got ${bytes} bytes`)
    })
    const pushing = Array.from({ length: pushes }, async () => {
      const bytes = randomBytes(PUSH_BYTES)
      const path = `/v2/app/blobs/uploads/?digest=${sha256(bytes)}`
      const pushed = send('POST', path, { 'content-length': bytes.length })
      const answered = once(pushed, 'response')
      pushed.write(bytes.subarray(0, FIRST_BYTES))
      await go.promise
      pushed.end(bytes.subarray(FIRST_BYTES))
      const [response]: IncomingMessage[] = await answered
      response?.resume()
      if (response?.statusCode !== 201) throw new Error(`a push got ${response?.statusCode}`)
    })
    const all = Promise.all([...pulling, ...pushing])
    await Promise.race([all, setTimeout(STALL_MS)])
    go.resolve()
    await all
    return { idle, peak: (await memoryOf(registry.process.pid)).peak }
  } finally {
    agent.destroy()
    await registry.kill()
  }
}

async function memoryOf(pid: number): Promise<{ now: number; peak: number }> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8')
  const read = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(text)?.[1]) * 1024
  return { now: read('VmRSS'), peak: read('VmHWM') }
}

export function inMebibytes({ idle, peak }: MemoryUse): string {
  return `idle ${Math.round(idle / MIB)} MiB, at most ${Math.round(peak / MIB)} MiB`
}
