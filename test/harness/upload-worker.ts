import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { described, type Outcome, type RegistryHttp, sha256 } from './registry-client.ts'

const CHUNK_BYTES = 300_000
const CHUNKS = 6
const FINISH_DEADLINE_MS = 30_000

interface Begun {
  readonly location: string
  readonly bytes: Buffer
  /** Bytes that were acknowledged. */
  acknowledged: number
}

/** Uploads blobs chunk by chunk over restarts of the registry, and insists that no acknowledged byte is sent again. */
export class UploadWorker {
  readonly #http: RegistryHttp
  readonly #repository: string
  #begun: Begun | undefined
  finished = 0
  resumed = 0
  /** Times that the disk was full. */
  refused = 0

  constructor(http: RegistryHttp, repository: string) {
    this.#http = http
    this.#repository = repository
  }

  /** Upload until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#begun === undefined) await this.#begin()
      else if (!(await this.#goOn(this.#begun))) await setTimeout(20)
    }
  }

  /** Go on until so many uploads are finished. */
  async finish(count: number): Promise<void> {
    const over = new AbortController()
    const timer = setInterval(() => {
      if (this.finished >= count) over.abort()
    }, 10)
    try {
      await Promise.race([
        this.run(over.signal),
        setTimeout(FINISH_DEADLINE_MS, undefined, { ref: false }).then(() => assert.fail('an upload does not end'))
      ])
    } finally {
      clearInterval(timer)
      over.abort()
    }
  }

  /** Check that what was acknowledged of the upload under way is there. */
  async verify(): Promise<void> {
    if (this.#begun === undefined) return
    const received = await this.#received(this.#begun)
    if (received === undefined) return
    if (this.#begun.acknowledged > 0) this.resumed++
  }

  async #begin(): Promise<void> {
    const outcome = await this.#http.request('POST', `/v2/${this.#repository}/blobs/uploads/`)
    const location = outcome.headers.get('location')
    if (outcome.status !== 202 || location === null) return this.#refused('POST', outcome)
    this.#begun = { location, bytes: randomBytes(CHUNK_BYTES * CHUNKS), acknowledged: 0 }
  }

  /** One step of an upload, from where the registry says that it is. @returns whether there was progress */
  async #goOn(begun: Begun): Promise<boolean> {
    const { bytes, location } = begun
    const received = await this.#received(begun)
    if (received === undefined) return false
    if (received < bytes.length) {
      const end = Math.min(bytes.length, received + CHUNK_BYTES)
      const headers = { 'content-range': `${received}-${end - 1}`, 'content-type': 'application/octet-stream' }
      const outcome = await this.#http.request('PATCH', location, bytes.subarray(received, end), headers)
      if (outcome.status === 202) begun.acknowledged = end
      else this.#refused('PATCH', outcome)
      return outcome.status === 202
    }
    const outcome = await this.#http.request('PUT', `${location}?digest=${sha256(bytes)}`)
    if (outcome.status === 201) {
      this.#begun = undefined
      this.finished++
      return true
    }
    if (outcome.status === 0) this.#begun = undefined
    this.#refused('PUT', outcome)
    return false
  }

  /** Where the registry is with an upload. */
  async #received(begun: Begun): Promise<number | undefined> {
    const status = await this.#http.request('GET', begun.location)
    if (status.status === 0) return undefined
    assert.equal(
      status.status,
      204,
      described(`GET of an upload with ${begun.acknowledged} acknowledged bytes`, status)
    )
    const last = Number(status.headers.get('range')?.split('-')[1])
    const received = last === 0 ? 0 : last + 1
    assert.ok(received >= begun.acknowledged, `${received} bytes are there of ${begun.acknowledged} acknowledged ones`)
    return received
  }

  #refused(what: string, outcome: Outcome): void {
    if (outcome.status === 507) {
      this.refused++
      assert.match(outcome.body.toString('utf8'), /"code":"STORE_FULL"/)
    } else assert.equal(outcome.status, 0, described(`${what} of an upload`, outcome))
  }
}
