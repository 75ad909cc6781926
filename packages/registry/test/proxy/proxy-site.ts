import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { type Digest, digestOf } from '@shoal/oci'
import type { UpstreamConfig } from '../../src/proxy/upstream-config.ts'
import { type Harness, startRegistry } from '../harness.ts'
import { FakeUpstream } from './fake-upstream.ts'

/** A layer of a few chunks that the fake upstream has. */
export const layer = randomBytes(3_000_000)
/** Its digest. */
export const layerDigest = digestOf(layer)

/** A fake upstream with one image, and a registry that is a proxy cache of it. */
export interface Site {
  readonly upstream: FakeUpstream
  readonly proxy: Harness
  readonly image: Digest
}

/** Starts both; they stop with the test. `config` is of the upstream. */
export async function startSite(t: TestContext, config: Partial<UpstreamConfig> = {}): Promise<Site> {
  const upstream = await FakeUpstream.start(t)
  const image = upstream.image('library/app', '1', [layer])
  const upstreams = [{ host: 'docker.io', url: upstream.url, ...config }]
  return { upstream, image, proxy: await startRegistry(t, { upstreams, anonymous: 'push' }) }
}

/** The whole body of an answer. */
export async function bytesOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer())
}

/** Where a client asks the registry for the layer. */
export const blobPath = `/v2/library/app/blobs/${layerDigest}?ns=docker.io`

/** Waits for what no event tells of. @throws when it has not come about within ten seconds */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = AbortSignal.timeout(10_000)
  while (!(await condition())) {
    deadline.throwIfAborted()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
