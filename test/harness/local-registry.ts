import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { ManagedProcess } from './process.ts'
import { RegistryHttp } from './registry-client.ts'
import { shoalCommand } from './shoal.ts'

const READY_DEADLINE_MS = 60_000

/** A `shoal registry` on loopback, on ports that are free; it can be killed and started again over its data folder. */
export class LocalRegistry {
  readonly directory: string
  readonly #args: readonly string[]
  #process: ManagedProcess | undefined
  #http: RegistryHttp | undefined

  constructor(directory: string, args: readonly string[] = []) {
    this.directory = directory
    this.#args = args
  }

  get process(): ManagedProcess {
    if (this.#process === undefined) throw new Error('the registry was not started')
    return this.#process
  }

  /** A client of it as the administrator; the same one after a restart. */
  get http(): RegistryHttp {
    if (this.#http === undefined) throw new Error('the registry was not started')
    return this.#http
  }

  /** Starts it, and waits until it serves. */
  async start(): Promise<void> {
    const anyPorts = ['listen', 'p2p-listen', 'lane-listen', 'admin-listen'].flatMap((name) => [
      `--${name}`,
      '127.0.0.1:0'
    ])
    const command = shoalCommand(
      'registry',
      '--data',
      this.directory,
      ...anyPorts,
      '--log-format',
      'json',
      ...this.#args
    )
    this.#process = await ManagedProcess.spawn(command, { name: 'shoal registry' })
    const found = await this.#process.waitForOutput(/"address":"([^"]+)"/, READY_DEADLINE_MS)
    await this.#process.waitForOutput(/the registry is ready/, READY_DEADLINE_MS)
    const password = (await readFile(path.join(this.directory, 'admin-password'), 'utf8')).trim()
    const url = `http://${found[1]}`
    this.#http ??= new RegistryHttp(url, `admin:${password}`)
    this.#http.url = url
  }

  async kill(): Promise<void> {
    await this.process.kill()
  }

  async stop(): Promise<void> {
    if (this.#process?.running === true) await this.#process.stop()
  }
}
