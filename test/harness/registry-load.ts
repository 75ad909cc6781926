import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import { described, type Outcome, type RegistryHttp, sha256 } from './registry-client.ts'

const IMAGE = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'
const CONFIG = 'application/vnd.oci.image.config.v1+json'
const LAYER = 'application/vnd.oci.image.layer.v1.tar'

/** Answers after which a change may have been made or not. */
const UNKNOWN: ReadonlySet<number> = new Set([0, 503, 507])

/** What the load consists of. */
export interface LoadOptions {
  readonly repositories: number
  readonly workers: number
  /** The grace window of the collections, milliseconds: what was asked for or pushed within it has to be there. */
  readonly graceMs: number
  /** In [0, 1). */
  readonly random: () => number
}

interface Image {
  readonly digest: string
  readonly bytes: Buffer
  readonly mediaType: string
  readonly blobs: readonly Buffer[]
  readonly children: readonly Image[]
}

interface Manifest {
  readonly schemaVersion: number
  readonly mediaType: string
  readonly [field: string]: unknown
}

/** What a tag may name: one thing when the last change was answered, several when it was not. */
type Possible = ReadonlySet<Image | undefined>

/**
 * Clients that push, mount, delete and pull the same few blobs in the same few repositories, and know what they were
 * promised. Each worker has tags and manifests of its own, so that nobody else changes what it was promised; the blobs are
 * everybody's.
 */
export class RegistryLoad {
  readonly #http: RegistryHttp
  readonly #options: LoadOptions
  readonly #pool: readonly Buffer[]
  readonly #promised = new Map<string, Possible>()
  /** Tags of images that came too slowly for all of them to have to be there. */
  readonly #doubtful = new Set<string>()
  pushed = 0
  deleted = 0
  pulled = 0
  mounted = 0
  found = 0

  constructor(http: RegistryHttp, options: LoadOptions) {
    this.#http = http
    this.#options = options
    const sizes = [10, 1000, 30_000, 200_000, 1_500_000, 2_500_000]
    this.#pool = [...sizes, ...sizes].map((size, index) => Buffer.alloc(size + index, `blob ${index} `))
  }

  get summary(): string {
    const { deleted, found, mounted, pulled, pushed } = this
    return `${pushed} pushes, ${deleted} deletes, ${pulled} pulls, ${mounted} mounts, ${found} blobs found by HEAD`
  }

  /** Work until `signal` aborts. @throws AssertionError as soon as a promise is broken */
  async run(signal: AbortSignal): Promise<void> {
    const workers = Array.from({ length: this.#options.workers }, async (_, worker) => {
      while (!signal.aborted) await this.#step(worker)
    })
    await Promise.all(workers)
  }

  /** Check everything that was promised. @returns the digests that have to be there */
  async verify(): Promise<Set<string>> {
    for (const key of this.#doubtful) {
      const [repository = '', tag = ''] = key.split(' ')
      const outcome = await this.#http.request('DELETE', `/v2/${repository}/manifests/${tag}`)
      assert.ok([202, 404].includes(outcome.status), described(`DELETE ${repository}:${tag}`, outcome))
      this.#promised.set(key, new Set([undefined]))
      this.#doubtful.delete(key)
    }
    const needed = new Set<string>()
    for (const [key, possible] of this.#promised) {
      const [repository = '', tag = ''] = key.split(' ')
      const image = await this.#pull(repository, tag, possible)
      this.#promised.set(key, new Set([image]))
      for (const each of image === undefined ? [] : [image, ...image.children]) {
        needed.add(each.digest)
        for (const blob of each.blobs) needed.add(sha256(blob))
      }
    }
    return needed
  }

  async #step(worker: number): Promise<void> {
    const repository = `load/r${this.#pick(this.#options.repositories)}`
    const tag = `w${worker}-t${this.#pick(4)}`
    const key = `${repository} ${tag}`
    const dice = this.#pick(10)
    const known = this.#promised.get(key) ?? new Set([undefined])
    if (dice < 5) await this.#push(worker, repository, tag, known)
    else if (dice < 7) await this.#delete(worker, repository, tag, known)
    else {
      const image = await this.#pull(repository, tag, known)
      if (image !== undefined) this.pulled++
    }
  }

  async #push(worker: number, repository: string, tag: string, known: Possible): Promise<void> {
    const began = performance.now()
    const image = this.#pick(4) === 0 ? this.#index(worker) : this.#image(worker, this.#pick(6))
    for (const each of [...image.children, image]) {
      const eachBegan = performance.now()
      if (!(await this.#pushBlobs(repository, each))) return
      // Sometimes the client takes its time between the blobs and the manifest.
      if (this.#pick(4) === 0) await setTimeout(this.#options.graceMs * 0.3)
      if (each !== image && !(await this.#pushChild(repository, each, eachBegan))) return
    }
    const outcome = await this.#http.putManifest(repository, tag, image.bytes, image.mediaType)
    const key = `${repository} ${tag}`
    if (outcome.status === 201 && this.#isLate(began)) {
      // The machine is slow: what was pushed first may be collected, and the registry never said otherwise.
      this.#promised.set(key, new Set([undefined, { ...image, blobs: [], children: [] }]))
      this.#doubtful.add(key)
    } else if (outcome.status === 201) {
      assert.equal(outcome.headers.get('warning'), null, described(`PUT ${repository}:${tag}`, outcome))
      this.#promised.set(key, new Set([image]))
      this.#doubtful.delete(key)
      this.pushed++
    } else {
      // On a full disk a change may have come to the disk though nobody knows that it did.
      if (UNKNOWN.has(outcome.status)) this.#promised.set(key, new Set([...known, image]))
      this.#assertNotLost(`PUT ${repository}:${tag}`, outcome, began)
    }
  }

  /** Push what is not there. @returns whether all is there now */
  async #pushBlobs(repository: string, image: Image): Promise<boolean> {
    for (const blob of image.blobs) {
      const digest = sha256(blob)
      const head = await this.#http.request('HEAD', `/v2/${repository}/blobs/${digest}`)
      if (head.status === 200) {
        this.found++
        continue
      }
      const from = `load/r${this.#pick(this.#options.repositories)}`
      const mount = await this.#http.request('POST', `/v2/${repository}/blobs/uploads/?mount=${digest}&from=${from}`)
      if (mount.status === 201) {
        this.mounted++
        continue
      }
      const location = mount.headers.get('location')
      if (location === null) return this.#gaveUp('mount', mount)
      const half = Math.floor(blob.length / 2)
      const patch = await this.#http.request('PATCH', location, blob.subarray(0, half))
      if (patch.status !== 202) return this.#gaveUp('PATCH', patch)
      const put = await this.#http.request('PUT', `${location}?digest=${digest}`, blob.subarray(half))
      if (put.status !== 201) return this.#gaveUp('PUT of a blob', put)
    }
    return true
  }

  /** A part of an index, by digest; one that is there is not pushed again. */
  async #pushChild(repository: string, image: Image, began: number): Promise<boolean> {
    const path = `/v2/${repository}/manifests/${image.digest}`
    if ((await this.#http.request('HEAD', path)).status === 200) return true
    const outcome = await this.#http.putManifest(repository, image.digest, image.bytes, image.mediaType)
    if (outcome.status !== 201) this.#assertNotLost(`PUT ${path}`, outcome, began)
    return outcome.status === 201
  }

  async #delete(worker: number, repository: string, tag: string, known: Possible): Promise<void> {
    const key = `${repository} ${tag}`
    const [image] = known
    const byDigest = this.#pick(2) === 0 && known.size === 1 && image !== undefined
    const reference = byDigest ? image.digest : tag
    const outcome = await this.#http.request('DELETE', `/v2/${repository}/manifests/${reference}`)
    if (outcome.status !== 202 && outcome.status !== 404 && !UNKNOWN.has(outcome.status)) {
      assert.fail(described(`DELETE ${repository} ${reference}`, outcome))
    }
    const removed = byDigest ? this.#tagsOf(worker, repository, image) : [key]
    for (const each of removed) {
      if (!UNKNOWN.has(outcome.status)) this.#doubtful.delete(each)
      const before = this.#promised.get(each) ?? new Set([undefined])
      // A tag that may name another image, because nobody knows what came of a push to a full disk, may still do so.
      const after = byDigest ? [...before].filter((possible) => possible?.digest !== image.digest) : []
      this.#promised.set(each, new Set([...(UNKNOWN.has(outcome.status) ? before : after), undefined]))
    }
    this.deleted++
  }

  /** The tags of a worker that may name this image: they go with it. */
  #tagsOf(worker: number, repository: string, image: Image): string[] {
    return [...this.#promised]
      .filter(
        ([key, possible]) =>
          key.startsWith(`${repository} w${worker}-`) && [...possible].some((each) => each?.digest === image.digest)
      )
      .map(([key]) => key)
  }

  /**
   * Pull what a tag names, whole, and check it.
   *
   * @returns what it was, undefined for nothing; something that it may be when the connection broke
   */
  async #pull(repository: string, tag: string, possible: Possible): Promise<Image | undefined> {
    const manifest = await this.#http.request('GET', `/v2/${repository}/manifests/${tag}`)
    const what = `GET ${repository}:${tag}`
    if (UNKNOWN.has(manifest.status)) return [...possible][0]
    if (manifest.status === 404) {
      assert.ok(
        possible.has(undefined),
        `${what} is gone, which was acknowledged: ${[...possible].map((each) => each?.digest)}`
      )
      return undefined
    }
    assert.equal(manifest.status, 200, described(what, manifest))
    const image = [...possible].find((each) => each?.bytes.equals(manifest.body))
    assert.ok(image !== undefined, `${what} names ${sha256(manifest.body)}, not what was acknowledged`)
    for (const each of [image, ...image.children]) {
      if (each !== image) await this.#check(`/v2/${repository}/manifests/${each.digest}`, each.bytes)
      for (const blob of each.blobs) await this.#check(`/v2/${repository}/blobs/${sha256(blob)}`, blob)
    }
    return image
  }

  async #check(path: string, expected: Buffer): Promise<void> {
    const outcome = await this.#http.request('GET', path)
    if (UNKNOWN.has(outcome.status)) return
    assert.equal(outcome.status, 200, described(`GET ${path}, of an image that was acknowledged`, outcome))
    assert.ok(outcome.body.equals(expected), `GET ${path} gave ${sha256(outcome.body)}`)
  }

  /** A push may fail because the registry is gone or full, but not because something that it relied on was collected. */
  #assertNotLost(what: string, outcome: Outcome, began: number): void {
    const { status } = outcome
    if (UNKNOWN.has(status) || this.#isLate(began)) return
    assert.fail(described(what, outcome))
  }

  /** Whether the grace window of what was asked for at first may be over. */
  #isLate(began: number): boolean {
    return performance.now() - began > this.#options.graceMs * 0.8
  }

  #gaveUp(what: string, outcome: Outcome): false {
    if (!UNKNOWN.has(outcome.status)) assert.fail(described(what, outcome))
    return false
  }

  /** The same few images of a worker come again and again. */
  #image(worker: number, variant: number): Image {
    const config = Buffer.from(JSON.stringify({ worker, variant }))
    const layers = [0, 1, 2].map((n) => this.#pool[(variant * 5 + n * 3 + worker) % this.#pool.length] ?? Buffer.of())
    const descriptor = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: sha256(bytes), size: bytes.length })
    const manifest = {
      schemaVersion: 2,
      mediaType: IMAGE,
      config: descriptor(CONFIG, config),
      layers: layers.map((layer) => descriptor(LAYER, layer))
    }
    return image(manifest, [config, ...layers], [])
  }

  #index(worker: number): Image {
    const children = [this.#image(worker, 10 + this.#pick(2)), this.#image(worker, 12 + this.#pick(2))]
    const manifests = children.map(({ bytes, digest, mediaType }) => ({ mediaType, digest, size: bytes.length }))
    return image({ schemaVersion: 2, mediaType: INDEX, manifests }, [], children)
  }

  #pick(below: number): number {
    return Math.floor(this.#options.random() * below)
  }
}

function image(manifest: Manifest, blobs: readonly Buffer[], children: readonly Image[]): Image {
  const bytes = Buffer.from(JSON.stringify(manifest))
  return { digest: sha256(bytes), bytes, mediaType: manifest.mediaType, blobs, children }
}
