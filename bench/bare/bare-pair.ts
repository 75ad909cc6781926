import { type ChildProcessByStdio, spawn } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { within } from '../../test/harness/deadline.ts'
import type { NetworkNode } from '../../test/harness/namespaces.ts'
import { commandLine, ManagedProcess, run } from '../../test/harness/process.ts'
import { cpuSeconds } from '../process-usage.ts'

const PORT = '9443'
const START_DEADLINE_MS = 30_000
const TRANSFER_DEADLINE_MS = 5 * 60_000
const CERTIFICATE_DAYS = '2'
const SERVER = fileURLToPath(new URL('tls-server.ts', import.meta.url))
const CLIENT = fileURLToPath(new URL('tls-client.ts', import.meta.url))

/** What moving the file once took, and cost on each side. */
export interface BareTransfer {
  readonly seconds: number
  readonly senderCpuSeconds: number
  readonly receiverCpuSeconds: number
}

/** What the pair moves. */
export interface BarePairInit {
  readonly directory: string
  readonly file: string
  readonly size: number
  readonly chunkSize: number
}

/** Two bare Node programs, one sending a file over TLS 1.3, the other hashing and writing it: what a lane is held against. */
export class BarePair {
  readonly #server: ManagedProcess
  readonly #client: ChildProcessByStdio<Writable, Readable, null>
  readonly #clientPid: number
  readonly #lines: AsyncIterableIterator<string>

  static async start(sender: NetworkNode, receiver: NetworkNode, init: BarePairInit): Promise<BarePair> {
    const key = path.join(init.directory, 'key.pem')
    const cert = path.join(init.directory, 'cert.pem')
    const made = ['-keyout', key, '-out', cert, '-days', CERTIFICATE_DAYS, '-subj', '/CN=bare']
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
    await run(['openssl', 'req', '-x509', '-nodes', ...curve, ...made])
    const serve = [process.execPath, SERVER, sender.ipv4, PORT, key, cert, init.file]
    const server = await ManagedProcess.spawn(serve, { namespace: sender.namespace, name: 'bare TLS server' })
    await server.waitForOutput(/ready/, START_DEADLINE_MS)
    const target = path.join(init.directory, 'received')
    const receive = [process.execPath, CLIENT, sender.ipv4, PORT, target, String(init.size), String(init.chunkSize)]
    const [file = '', ...args] = commandLine(receive, { namespace: receiver.namespace })
    const pair = new BarePair(server, spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] }))
    await pair.#next(START_DEADLINE_MS)
    return pair
  }

  private constructor(server: ManagedProcess, client: ChildProcessByStdio<Writable, Readable, null>) {
    if (client.pid === undefined) throw new Error('the bare TLS client could not be started')
    this.#server = server
    this.#client = client
    this.#clientPid = client.pid
    this.#lines = createInterface({ input: client.stdout })[Symbol.asyncIterator]()
  }

  /** Moves the file once. */
  async transfer(): Promise<BareTransfer> {
    const sender = cpuSeconds(this.#server.pid)
    const receiver = cpuSeconds(this.#clientPid)
    this.#client.stdin.write('go\n')
    const seconds = Number((await this.#next(TRANSFER_DEADLINE_MS)).split(' ')[1])
    return {
      seconds,
      senderCpuSeconds: cpuSeconds(this.#server.pid) - sender,
      receiverCpuSeconds: cpuSeconds(this.#clientPid) - receiver
    }
  }

  async #next(deadlineMs: number): Promise<string> {
    const line = await within(this.#lines.next(), { deadlineMs, what: 'the bare TLS client answering' })
    if (line.done === true) throw new Error('the bare TLS client ended')
    return line.value
  }
}
