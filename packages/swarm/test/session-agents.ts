// Agents without data and without links to each other in one process: what they cost the registry is what a real one does.
import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import { ContentStore } from '@shoal/content'
import { digestOf } from '@shoal/oci'
import { Registry } from 'prom-client'
import {
  decodeRendezvousAnswer,
  encodeRendezvousRequest,
  MAX_RENDEZVOUS_BYTES
} from '../src/discovery/rendezvous-messages.ts'
import { identityFromKey } from '../src/identity.ts'
import { silentLogger } from '../src/logger.ts'
import {
  decodeAdmissionAnswer,
  encodeAdmissionRequest,
  MAX_ADMISSION_ANSWER_BYTES
} from '../src/membership/admission-messages.ts'
import { Mesh } from '../src/mesh.ts'
import { request } from '../src/node/request.ts'
import { ADMISSION_PROTOCOL, RENDEZVOUS_PROTOCOL } from '../src/protocols.ts'
import { createTransferMetrics } from '../src/transfer-metrics.ts'
import type { RegistryReady } from './session-messages.ts'

/** Blobs of an image, all in one message. */
const BLOBS_PER_IMAGE = 40
const CONCURRENT_STARTS = 8
const CONCURRENT_ASKS = 4
const MAX_RETRIES = 20
const RETRY_MS = 500

const [directory = '', first = '0', count = '0', told = ''] = process.argv.slice(2)
const registry: RegistryReady = JSON.parse(Buffer.from(told, 'base64').toString())
const store = await ContentStore.open({ directory: join(directory, `content-${first}`) })
const image = Array.from({ length: BLOBS_PER_IMAGE }, (_, i) => digestOf(Buffer.from(`layer ${i}`)))
const agents: Mesh[] = []

/** Asks again when that fails, as an agent does. */
async function admit(mesh: Mesh) {
  const secret = Buffer.from(registry.secret, 'base64')
  const message = encodeAdmissionRequest({ secret, zone: '' })
  for (let attempt = 0; ; attempt++) {
    try {
      const connection = await mesh.node.libp2p.dial(registry.addresses.map((address) => multiaddr(address)))
      const bytes = await request(connection, ADMISSION_PROTOCOL, message, { maxBytes: MAX_ADMISSION_ANSWER_BYTES })
      const answer = decodeAdmissionAnswer(bytes)
      if (!answer.admitted) throw new Error(answer.reason)
      return answer
    } catch (error) {
      if (attempt === MAX_RETRIES) throw error
      await setTimeout(RETRY_MS)
    }
  }
}

async function joinMesh(number: number): Promise<Mesh> {
  const identity = await identityFromKey(generateKeyPairSync('ed25519').privateKey)
  const metrics = new Registry()
  let certificate: Uint8Array | undefined
  const linked = Promise.withResolvers<void>()
  const init = {
    identity,
    directory: join(directory, `agent-${number}`),
    listen: { host: '127.0.0.1', port: 0 },
    agentVersion: 'shoal/test',
    store,
    transfer: createTransferMetrics(metrics),
    metrics,
    logger: silentLogger
  }
  const mesh = await Mesh.create(init, {
    authority: registry.authority,
    fallback: undefined,
    certificate: () => certificate,
    zone: () => '',
    discover: () => Promise.resolve(),
    learned: () => undefined,
    welcomes: (peerId) => peerId === registry.authority,
    maxRecords: 0,
    onLink: () => linked.resolve(),
    onUnlink: () => undefined
  })
  // The DHT would have all agents dial each other, and this machine measure that.
  mesh.bans.has = (peerId) => peerId !== registry.authority
  await mesh.start()
  const answer = await admit(mesh)
  certificate = answer.certificate
  mesh.connector.linkAll()
  await linked.promise
  return mesh
}

/** Asks for an image as an agent does that is about to pull it. @returns bytes of the answer */
async function ask(mesh: Mesh): Promise<number> {
  const connection = mesh.connectionTo(registry.authority)
  if (connection === undefined) throw new Error('the connection with the registry is gone')
  const message = encodeRendezvousRequest({ want: image, have: [], gone: [] })
  const answer = await request(connection, RENDEZVOUS_PROTOCOL, message, { maxBytes: MAX_RENDEZVOUS_BYTES })
  if (decodeRendezvousAnswer(answer).peers.length !== image.length) throw new Error('a blob was not answered')
  return answer.length
}

/** All agents ask, a few at a time, so that it is the registry that is measured and not this machine's patience. */
async function askAll(): Promise<number> {
  const waiting = [...agents]
  let bytes = 0
  const worker = async () => {
    for (let mesh = waiting.pop(); mesh !== undefined; mesh = waiting.pop()) bytes += await ask(mesh)
  }
  await Promise.all(Array.from({ length: CONCURRENT_ASKS }, worker))
  return bytes
}

process.on('disconnect', () => process.exit(0))
process.on('message', () => {
  askAll().then(
    (bytes) => process.send?.(bytes),
    (error: unknown) => process.send?.(String(error))
  )
})
for (let at = 0; at < Number(count); at += CONCURRENT_STARTS) {
  const batch = Array.from(
    { length: Math.min(CONCURRENT_STARTS, Number(count) - at) },
    (_, i) => Number(first) + at + i
  )
  agents.push(...(await Promise.all(batch.map(joinMesh))))
}
process.send?.('joined')
