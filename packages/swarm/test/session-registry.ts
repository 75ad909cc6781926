// A registry's node in a process of its own, so that its memory and time can be told from those of its agents.
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { ContentStore } from '@shoal/content'
import { Registry } from 'prom-client'
import { identityFromKey } from '../src/identity.ts'
import { silentLogger } from '../src/logger.ts'
import { createRegistrySwarm } from '../src/registry-swarm.ts'
import { createTransferMetrics } from '../src/transfer-metrics.ts'
import type { RegistryReady, Usage } from './session-messages.ts'

const directory = process.argv[2] ?? ''
const identity = await identityFromKey(generateKeyPairSync('ed25519').privateKey)
const secret = randomBytes(24)
const metrics = new Registry()
const store = await ContentStore.open({ directory: join(directory, 'content'), signer: identity.privateKey })
const swarm = await createRegistrySwarm({
  identity,
  directory: join(directory, 'mesh'),
  listen: { host: '127.0.0.1', port: 0 },
  agentVersion: 'shoal/test',
  store,
  transfer: createTransferMetrics(metrics),
  metrics,
  logger: silentLogger,
  joinToken: { authority: identity.peerId, secret }
})
await swarm.start()
const ready: RegistryReady = {
  authority: identity.peerId,
  addresses: swarm.addresses,
  secret: secret.toString('base64')
}
process.send?.(ready)
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  const usage: Usage = { rss: process.memoryUsage.rss(), cpu: (user + system) / 1e6, links: swarm.peers.length }
  process.send?.(usage)
})
process.on('disconnect', () => process.exit(0))
