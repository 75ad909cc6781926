import { chunkCount, chunkSizeFor } from '@shoal/content'
import type { Digest } from '@shoal/oci'
import { percentile } from '../statistics.ts'
import type { SimAgent } from './node/sim-agent.ts'
import type { Outcome } from './outcome.ts'
import type { NodePlan, Plan } from './scenarios/plan.ts'
import { World } from './world.ts'

/** Nodes that are started at about the same time, before anything is pulled; more take longer. */
const NODES_STARTED_PER_SECOND = 200
const LEAST_START_MS = 5_000
/** Between the last start and the first pull, ms. */
const REST_MS = 5_000
/** A run is given up after so many times its bound, and so much more. */
const DEADLINE_FACTOR = 8
const DEADLINE_MS = 90_000
const BYTES_PER_MIB = 1024 ** 2

/** How far a run is. */
export interface RunProgress {
  readonly phase: 'starting' | 'pulling'
  readonly virtualSeconds: number
  readonly done: number
  readonly nodes: number
  readonly events: number
  readonly memoryMiB: number
}

/** How a plan is run. */
export interface RunPlanOptions {
  /** Called now and then. May throw to end the run. */
  readonly look?: (progress: RunProgress) => void
  /** See `RunOptions`; for a test. */
  readonly settlingSteps?: number
}

interface Node {
  readonly plan: NodePlan
  readonly agent: SimAgent
}

/** Plays a plan from beginning to end. */
export async function runPlan(plan: Plan, options: RunPlanOptions = {}): Promise<Outcome> {
  const wallStart = performance.now()
  const world = new World(plan.shape)
  const { simulation, registry } = world
  const images = plan.images.map((layers, image) => layers.map((size, layer) => world.push(`${image} ${layer}`, size)))
  const nodes = plan.nodes.map((node): Node => ({ plan: node, agent: world.addAgent(node) }))
  let done = 0
  let peakMiB = 0
  let phase: RunProgress['phase'] = 'starting'
  const look = () => {
    const memoryMiB = process.memoryUsage().rss / BYTES_PER_MIB
    peakMiB = Math.max(peakMiB, memoryMiB)
    const virtualSeconds = simulation.now() / 1000
    options.look?.({ phase, virtualSeconds, done, nodes: nodes.length, events: simulation.events, memoryMiB })
  }
  const steps = options.settlingSteps === undefined ? {} : { settlingSteps: options.settlingSteps }

  const early = nodes.filter((node) => !node.plan.joins)
  for (const { agent } of early) registry.admit(agent.peerId)
  const startMs = Math.max(LEAST_START_MS, (early.length / NODES_STARTED_PER_SECOND) * 1000)
  for (const { agent } of early) simulation.after(world.random() * startMs, () => world.start(agent))
  await simulation.run({ until: () => false, deadline: startMs + REST_MS, look, ...steps })
  phase = 'pulling'
  for (const { agent } of nodes) agent.counts.reset()
  registry.counts.reset()
  const start = simulation.now()
  const sentBefore = registry.end.host.uplink.bytes
  if (plan.losesRegistry) killAfterOneCopy(world, images)

  const waves = Math.max(...nodes.map((node) => node.plan.wave)) + 1
  const bounds = Array.from({ length: waves }, (_, wave) =>
    Math.max(...nodes.filter((node) => node.plan.wave === wave).map((node) => node.plan.boundSeconds))
  )
  const deadline = start + bounds.reduce((sum, each) => sum + each, 0) * DEADLINE_FACTOR * 1000 + DEADLINE_MS
  for (let wave = 0; wave < waves; wave++) {
    const members = nodes.filter((node) => node.plan.wave === wave)
    let left = members.length
    const over = () => {
      left--
    }
    for (const { plan: node, agent } of members) {
      const layers = images[node.image] ?? []
      simulation.after(node.pullAt, () => {
        if (node.joins) world.start(agent)
        void agent.pullImage(layers).then(() => {
          done++
          if (node.leavesAt === undefined || agent.alive) over()
        })
      })
      if (node.leavesAt === undefined) continue
      simulation.after(node.leavesAt, () => {
        if (agent.pull?.doneAt === undefined) over()
        agent.kill()
      })
    }
    const ended = await simulation.run({ until: () => left <= 0, deadline, look, ...steps })
    if (!ended) break
  }
  look()
  return measure(plan, world, nodes, { start, sentBefore, wallStart, peakMiB })
}

function killAfterOneCopy(world: World, images: readonly (readonly Digest[])[]): void {
  const { registry } = world
  const blobs = images.flat().map((digest) => registry.store.blob(digest))
  let missing = blobs.reduce((sum, blob) => sum + (blob?.have.length ?? 0), 0)
  const seen = new Set<string>()
  world.onChunk = (_agent, digest, index) => {
    const name = `${digest} ${index}`
    if (seen.has(name)) return
    seen.add(name)
    if (--missing === 0) registry.kill()
  }
}

function measure(
  plan: Plan,
  world: World,
  nodes: readonly Node[],
  run: { readonly start: number; readonly sentBefore: number; readonly wallStart: number; readonly peakMiB: number }
): Outcome {
  const { simulation, network, registry } = world
  const counted = nodes.filter((node) => node.plan.counts)
  const ratios: number[] = []
  const seconds: number[] = []
  const firstBytes: number[] = []
  for (const { agent, plan: node } of counted) {
    const { pull } = agent
    if (pull?.doneAt === undefined) continue
    seconds.push((pull.doneAt - pull.startedAt) / 1000)
    ratios.push((pull.doneAt - pull.startedAt) / 1000 / node.boundSeconds)
    firstBytes.push(((pull.firstByteAt ?? pull.doneAt) - pull.startedAt) / 1000)
  }
  const distinct = plan.images.flat().reduce((sum, bytes) => sum + bytes, 0)
  const imageBytes = distinct / plan.images.length
  const stayed = nodes.filter(({ agent }) => agent.alive)
  const total = (pick: (node: Node) => number) => nodes.reduce((sum, node) => sum + pick(node), 0)
  const wanted = total(({ agent }) => agent.counts.storedBytes)
  const received = total(({ agent }) => agent.counts.payloadBytes)
  const zones = Array.from({ length: plan.shape.zones }, (_, zone) => zone)
  const pairs = zones.flatMap((from) => zones.filter((to) => to !== from).map((to) => network.zoneBytes(from, to)))
  const into = zones.map((to) => zones.reduce((sum, from) => sum + (from === to ? 0 : network.zoneBytes(from, to)), 0))
  const of = (samples: readonly number[], percent: number) =>
    samples.length === 0 ? undefined : percentile(samples, percent)
  return {
    scenario: plan.scenario,
    nodes: plan.nodes.filter((node) => !node.joins).length,
    chunks: plan.images[0]?.reduce((sum, size) => sum + chunkCount({ size, chunkSize: chunkSizeFor(size) }), 0) ?? 0,
    imageBytes,
    seed: plan.shape.seed,
    boundSeconds: Math.max(...counted.map((node) => node.plan.boundSeconds)),
    p50: of(ratios, 50),
    p99: of(ratios, 99),
    max: of(ratios, 100),
    p50Seconds: of(seconds, 50),
    p99Seconds: of(seconds, 99),
    firstByteP50Seconds: of(firstBytes, 50),
    firstByteP99Seconds: of(firstBytes, 99),
    seedCopies: registry.end.host.uplink.payloadBytes / distinct,
    seedLinkCopies: (registry.end.host.uplink.bytes - run.sentBefore) / distinct,
    zoneLinkCopies: pairs.length === 0 ? undefined : Math.max(...pairs) / distinct,
    zoneCopies: pairs.length === 0 ? undefined : Math.max(...into.slice(1)) / distinct,
    messagesPerNode: total(({ agent }) => agent.counts.messages) / nodes.length,
    controlBytesPerNode: total(({ agent }) => agent.counts.messageBytes) / nodes.length,
    controlShare: total(({ agent }) => agent.counts.messageBytes) / nodes.length / imageBytes,
    duplicates: wanted === 0 ? 0 : received / wanted - 1,
    wrongChunks: total(({ agent }) => agent.counts.wrongChunks),
    failures: total(({ agent }) => agent.pull?.failures ?? 0),
    unfinished: stayed.filter(({ agent }) => agent.pull?.doneAt === undefined).length,
    virtualSeconds: (simulation.now() - run.start) / 1000,
    wallSeconds: (performance.now() - run.wallStart) / 1000,
    events: simulation.events,
    peakMemoryMiB: run.peakMiB
  }
}
