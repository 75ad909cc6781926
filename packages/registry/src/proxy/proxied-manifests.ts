import {
  type Digest,
  type FetchedManifest,
  isTag,
  type ManifestHead,
  manifestReferences,
  parseDigest,
  parseManifest
} from '@shoal/oci'
import { type Clock, isRefusal, type Logger } from '@shoal/swarm'
import type { BlobStore } from '../blob-store.ts'
import type { Events } from '../events/events.ts'
import type { Holdings } from '../holdings.ts'
import type { Leases } from '../leases.ts'
import { referrerOf, storeBytes } from '../manifest-bytes.ts'
import type { Metadata } from '../metadata.ts'
import type { Seeder } from '../seeder.ts'
import { manifestUnknown } from '../unknown.ts'
import type { ProxiedName } from './proxied-name.ts'
import type { Upstream } from './upstream.ts'
import { upstreamAnswer } from './upstream-errors.ts'
import type { UpstreamHedge } from './upstream-hedge.ts'

/** Tags of which it is remembered when they were asked for. */
export const CHECKED_TAGS_MAX = 50_000

/** Whether an answer is what the upstream says now, or what it said once. */
export type Freshness = 'fresh' | 'stale'

/** What proxied manifests are kept with. */
export interface ProxiedManifestsInit {
  readonly store: Pick<BlobStore, 'ingest' | 'stat'>
  readonly metadata: Pick<Metadata, 'manifest' | 'tag'>
  readonly holdings: Pick<Holdings, 'addManifest'>
  readonly events: Pick<Events, 'emit'>
  readonly leases: Pick<Leases, 'holding'>
  readonly seeder: Seeder
  readonly hedge: UpstreamHedge
  readonly clock: Clock
  readonly logger: Logger
  /** Milliseconds since 1970. */
  readonly now: () => number
}

interface Checked {
  /** Milliseconds of the clock. */
  readonly at: number
  readonly freshness: Freshness
}

/** Brings manifests here from their upstreams, byte for byte, and knows which tags have to be looked up again. */
export class ProxiedManifests {
  readonly #init: ProxiedManifestsInit
  readonly #checked = new Map<string, Checked>()
  readonly #flights = new Map<string, Promise<Freshness>>()

  constructor(init: ProxiedManifestsInit) {
    this.#init = init
  }

  /**
   * Have a manifest here, under its tag if it was asked for by one. What is here by digest needs nobody to be asked; a tag
   * is asked for again after its time to live, and what is known of it serves when its upstream does not answer.
   *
   * @throws OciError `DIGEST_INVALID`, `MANIFEST_UNKNOWN` with status 404, or 502 when the upstream cannot be asked
   */
  async have(upstream: Upstream, name: ProxiedName, reference: string): Promise<Freshness> {
    if (reference.includes(':')) return await this.#haveDigest(upstream, name, parseDigest(reference))
    // Nothing else becomes a part of a URL.
    if (!isTag(reference)) throw manifestUnknown(name.local, reference)
    const { metadata } = this.#init
    const known = await metadata.tag(name.local, reference)
    const isHere = known !== undefined && (await this.#isHere(name.local, known))
    if (!isHere) return await this.#fly(upstream, name, reference, undefined)
    const checked = this.#recent(upstream, name, reference)
    if (checked !== undefined) return checked.freshness
    if (upstream.down) return 'stale'
    return await this.#hedged(upstream, name, reference, known)
  }

  async #haveDigest(upstream: Upstream, name: ProxiedName, digest: Digest): Promise<Freshness> {
    if (await this.#isHere(name.local, digest)) return 'fresh'
    return await this.#fly(upstream, name, digest, undefined)
  }

  /** The answer, or what is known if that does not come, or not soon: at once while the upstream keeps others waiting. */
  async #hedged(upstream: Upstream, name: ProxiedName, reference: string, known: Digest): Promise<Freshness> {
    const { hedge, logger } = this.#init
    try {
      return (await hedge.answer(upstream, this.#fly(upstream, name, reference, known))) ?? 'stale'
    } catch (error) {
      logger.info({ err: error, repository: name.local, reference }, 'a tag is served as it was known')
      return 'stale'
    }
  }

  /** One question at a time for each manifest. */
  async #fly(upstream: Upstream, name: ProxiedName, reference: string, known: Digest | undefined): Promise<Freshness> {
    const key = keyOf(name, reference)
    const under = this.#flights.get(key)
    if (under !== undefined) return await under
    const flight = this.#fetch(upstream, name, reference, known).finally(() => this.#flights.delete(key))
    this.#flights.set(key, flight)
    return await flight
  }

  async #fetch(
    upstream: Upstream,
    name: ProxiedName,
    reference: string,
    known: Digest | undefined
  ): Promise<Freshness> {
    const what = `the manifest ${reference} of ${name.repository}`
    let found: FetchedManifest | undefined
    try {
      const head = known === undefined ? undefined : await this.#head(upstream, name, reference)
      if (known !== undefined && (head === undefined || head.digest === known)) {
        return this.#note(name, reference, head === undefined ? 'stale' : 'fresh')
      }
      // By digest, so that it is the one that the head was of.
      found = await upstream.getManifest(name.repository, head?.digest ?? reference)
    } catch (error) {
      throw upstreamAnswer(upstream.host, 'MANIFEST_UNKNOWN', what, error)
    }
    if (found === undefined) throw manifestUnknown(name.local, reference)
    await this.#keep(upstream, name, reference, found, what)
    return this.#note(name, reference, 'fresh')
  }

  /** @returns undefined when it is gone there, or may not be had any more */
  async #head(upstream: Upstream, name: ProxiedName, reference: string): Promise<ManifestHead | undefined> {
    try {
      return await upstream.headManifest(name.repository, reference)
    } catch (error) {
      if (isRefusal(error)) return undefined
      throw error
    }
  }

  async #keep(
    upstream: Upstream,
    name: ProxiedName,
    reference: string,
    { bytes, digest, mediaType }: FetchedManifest,
    what: string
  ): Promise<void> {
    const { events, holdings, leases, now, seeder, store } = this.#init
    const manifest = parsed(upstream, bytes, mediaType, what)
    const { subject } = manifest
    const record = {
      digest,
      mediaType: manifest.mediaType,
      size: bytes.length,
      pushedAt: now(),
      ...(subject === undefined ? {} : { subject: subject.digest })
    }
    const references = manifestReferences(manifest).map((descriptor) => descriptor.digest)
    const names = {
      tags: reference.includes(':') ? [] : [reference],
      references,
      ...(subject === undefined ? {} : { referrer: referrerOf(manifest, digest, bytes.length) })
    }
    await leases.holding([digest, ...references], async () => {
      await holdings.addManifest(name.local, record, names, async () => await storeBytes(store, digest, bytes))
    })
    seeder.announce(digest)
    const [tag] = names.tags
    const told = { action: 'proxy-fill', kind: 'manifest', repository: name.local, digest, size: bytes.length } as const
    events.emit({ ...told, mediaType: manifest.mediaType, ...(tag === undefined ? {} : { tag }) })
  }

  async #isHere(local: string, digest: Digest): Promise<boolean> {
    const { metadata, store } = this.#init
    return (await metadata.manifest(local, digest)) !== undefined && (await store.stat(digest)) !== undefined
  }

  #recent(upstream: Upstream, name: ProxiedName, reference: string): Checked | undefined {
    const checked = this.#checked.get(keyOf(name, reference))
    return checked !== undefined && this.#init.clock.now() - checked.at < upstream.tagTtlMs ? checked : undefined
  }

  #note(name: ProxiedName, reference: string, freshness: Freshness): Freshness {
    if (reference.includes(':')) return freshness
    const key = keyOf(name, reference)
    this.#checked.delete(key)
    this.#checked.set(key, { at: this.#init.clock.now(), freshness })
    const [oldest] = this.#checked.keys()
    if (this.#checked.size > CHECKED_TAGS_MAX && oldest !== undefined) this.#checked.delete(oldest)
    return freshness
  }
}

function keyOf(name: ProxiedName, reference: string): string {
  return `${name.local} ${reference}`
}

function parsed(upstream: Upstream, bytes: Uint8Array, mediaType: string, what: string) {
  try {
    return parseManifest(bytes, mediaType)
  } catch (error) {
    throw upstreamAnswer(upstream.host, 'MANIFEST_UNKNOWN', what, error)
  }
}
