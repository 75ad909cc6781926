import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { ContentStore } from '@shoal/content'
import { type Anonymous, createRegistry } from '@shoal/registry'
import { createTransferMetrics, silentLogger } from '@shoal/swarm'
import { Registry as MetricsRegistry } from 'prom-client'
import { findTool } from './requirements.ts'

/** The password of `admin` at every site. */
export const SITE_PASSWORD = 'a password'
/** What clients take as `--creds`. */
export const SITE_ADMIN = `admin:${SITE_PASSWORD}`

/** A registry in this process, without a mesh, as clients see it. */
export interface RegistrySite {
  /** `127.0.0.1:<port>`; it speaks plain HTTP, which clients accept there. */
  readonly host: string
  /** Requests so far, by method. */
  readonly requests: (method: string) => Promise<number>
}

/** Starts a registry for one test. */
export async function startRegistrySite(t: TestContext, anonymous: Anonymous): Promise<RegistrySite> {
  const directory = await mkdtemp(path.join(tmpdir(), 'shoal-registry-'))
  const signer = generateKeyPairSync('ed25519').privateKey
  const metrics = new MetricsRegistry()
  const store = await ContentStore.open({ directory: path.join(directory, 'content'), signer })
  const registry = createRegistry({
    store,
    directory,
    listen: { host: '127.0.0.1', port: 0 },
    anonymous,
    adminPassword: SITE_PASSWORD,
    seeder: { announce: () => undefined },
    mesh: () => ({ peerId: 'none', addresses: [] }),
    logger: silentLogger,
    metrics,
    transfer: createTransferMetrics(metrics)
  })
  t.after(async () => {
    await registry.stop()
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
  await registry.start()
  return {
    host: `127.0.0.1:${registry.address.port}`,
    requests: async (method) => {
      const metric = await metrics.getSingleMetric('shoal_registry_requests_total')?.get()
      const counted = metric?.values.filter((value) => value.labels.method === method) ?? []
      return counted.reduce((sum, { value }) => sum + value, 0)
    }
  }
}

/** A directory of a test's own, gone when the test is. */
export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'shoal-clients-'))
  t.after(async () => await rm(directory, { recursive: true, force: true }))
  return directory
}

/**
 * Whether a test file with clients that others made runs here, for `describe`.
 *
 * @throws Error when the machine has to have them and lacks one
 */
export function withClients(...tools: readonly string[]): { skip?: string } {
  const missing = tools.filter((tool) => findTool(tool) === undefined)
  if (missing.length === 0) return {}
  const reason = `the tests with clients that others made need ${missing.join(', ')}`
  if (process.env.SHOAL_E2E === 'required') throw new Error(`SHOAL_E2E=required, but ${reason}`)
  console.error(`SKIPPED: ${reason}`)
  return { skip: reason }
}
