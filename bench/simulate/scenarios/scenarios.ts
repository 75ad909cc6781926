import { rollingBoundSeconds, splitIntoWaves } from '../../fluid-bound.ts'
import { seededRandom, shuffled } from '../engine/random.ts'
import { demandBoundSeconds, zoneBoundSeconds } from './bounds.ts'
import type { NodePlan, Plan, Scenario, ScenarioOptions } from './plan.ts'

const ROLLING_WAVES = 5
const LEAVING_SHARE = 0.3
const SLOW_SHARE = 0.1
const SLOW_FACTOR = 0.1
const LYING_SHARE = 0.05
const ZONES = 4
/** What a line between two zones carries of what the nodes of a zone send together. */
const THIN_SHARE = 0.01
const LAYERS = 16
const IMAGES = 4
const FAST_SEED_FACTOR = 10
/** Runtimes begin within this time when they are told to at once, ms. */
const START_SPREAD_MS = 10

type Change = (index: number, node: NodePlan) => Partial<NodePlan>

/** Everybody pulls one image at the same time, but for what is changed. */
function flash(scenario: string, options: ScenarioOptions, change: Change = () => ({})): Plan {
  const { nodes, bytes, nodeMbit, shape } = options
  const random = seededRandom(`${scenario} ${shape.seed}`)
  const lines = { registryMbit: shape.registryMbit, upMbit: nodes * nodeMbit, downMbit: nodeMbit }
  const boundSeconds = demandBoundSeconds([{ bytes, nodes }], lines)
  const usual = (): NodePlan => ({
    upMbit: nodeMbit,
    downMbit: nodeMbit,
    image: 0,
    wave: 0,
    pullAt: random() * START_SPREAD_MS,
    leavesAt: undefined,
    joins: false,
    counts: true,
    boundSeconds
  })
  const plans = Array.from({ length: nodes }, (_, index): NodePlan => {
    const node = usual()
    return { ...node, ...change(index, node) }
  })
  return { scenario, shape, images: [[bytes]], nodes: plans, losesRegistry: false }
}

/** Which of so many nodes are among the share that chance picks. */
function chosen(options: ScenarioOptions, share: number): ReadonlySet<number> {
  const numbers = Array.from({ length: options.nodes }, (_, index) => index)
  return new Set(
    shuffled(numbers, seededRandom(`chosen ${options.shape.seed}`)).slice(0, Math.round(share * options.nodes))
  )
}

function planRolling(options: ScenarioOptions): Plan {
  const { nodes, bytes, nodeMbit, shape } = options
  const links = { seedUp: shape.registryMbit, nodeUp: nodeMbit, nodeDown: nodeMbit }
  const waves = splitIntoWaves(
    Array.from({ length: nodes }, (_, index) => index),
    ROLLING_WAVES
  )
  const sizes = waves.map(({ length }) => length)
  const until = (wave: number) => rollingBoundSeconds(bytes, sizes.slice(0, wave), links)
  return flash('rolling', options, (index) => {
    const wave = waves.findIndex((members) => members.includes(index))
    return { wave, boundSeconds: until(wave + 1) - until(wave) }
  })
}

function planChurn(options: ScenarioOptions): Plan {
  const random = seededRandom(`churn ${options.shape.seed}`)
  const leaving = chosen(options, LEAVING_SHARE)
  const plan = flash('churn', options, (index, { boundSeconds }) => {
    return leaving.has(index) ? { leavesAt: random() * boundSeconds * 1000, counts: false } : {}
  })
  const joining = [...leaving].flatMap((index) => {
    const node = plan.nodes[index]
    const pullAt = random() * (node?.boundSeconds ?? 0) * 1000
    return node === undefined ? [] : [{ ...node, leavesAt: undefined, joins: true, pullAt }]
  })
  return { ...plan, nodes: [...plan.nodes, ...joining] }
}

function planSlow(options: ScenarioOptions): Plan {
  const { nodes, bytes, nodeMbit, shape } = options
  const slow = chosen(options, SLOW_SHARE)
  const slowMbit = nodeMbit * SLOW_FACTOR
  const upMbit = (nodes - slow.size) * nodeMbit + slow.size * slowMbit
  const bound = (downMbit: number) =>
    demandBoundSeconds([{ bytes, nodes }], { registryMbit: shape.registryMbit, upMbit, downMbit })
  return flash('slow', options, (index) =>
    slow.has(index)
      ? { upMbit: slowMbit, downMbit: slowMbit, boundSeconds: bound(slowMbit), counts: false }
      : { boundSeconds: bound(nodeMbit) }
  )
}

function planZones(options: ScenarioOptions): Plan {
  const { nodes, bytes, nodeMbit } = options
  const zoneMbit = (nodes / ZONES) * nodeMbit * THIN_SHARE
  const shape = { ...options.shape, zones: ZONES, zoneMbit }
  return flash('zones', { ...options, shape }, (index, { boundSeconds }) => ({
    zone: index % ZONES,
    boundSeconds: Math.max(boundSeconds, zoneBoundSeconds(bytes, ZONES, zoneMbit))
  }))
}

function planImages(options: ScenarioOptions): Plan {
  const { nodes, bytes, nodeMbit, shape } = options
  const lines = { registryMbit: shape.registryMbit, upMbit: nodes * nodeMbit, downMbit: nodeMbit }
  const demands = Array.from({ length: IMAGES }, () => ({ bytes, nodes: nodes / IMAGES }))
  const plan = flash('images', options, (index) => ({
    image: index % IMAGES,
    boundSeconds: demandBoundSeconds(demands, lines)
  }))
  return { ...plan, images: Array.from({ length: IMAGES }, () => [bytes]) }
}

/** What the simulator can play. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'flash',
    about: 'all nodes pull one image at once, the registry as fast as a node',
    plan: (options) => flash('flash', options)
  },
  {
    name: 'flash-fast-seed',
    about: 'the same with a registry ten times as fast as a node',
    plan: (options) => {
      const shape = { ...options.shape, registryMbit: options.nodeMbit * FAST_SEED_FACTOR }
      return flash('flash-fast-seed', { ...options, shape })
    }
  },
  { name: 'rolling', about: 'five waves, each when the one before is done', plan: planRolling },
  { name: 'churn', about: '30 % are killed at some time, and as many others join', plan: planChurn },
  { name: 'slow', about: '10 % have a tenth of the rate; the times are those of the others', plan: planSlow },
  {
    name: 'liars',
    about: '5 % send nothing but wrong chunks',
    plan: (options) => {
      const lying = chosen(options, LYING_SHARE)
      return flash('liars', options, (index) => ({ lies: lying.has(index), counts: !lying.has(index) }))
    }
  },
  {
    name: 'registry-lost',
    about: 'the registry is killed as soon as agents hold one copy',
    plan: (options) => ({ ...flash('registry-lost', options), losesRegistry: true })
  },
  { name: 'zones', about: 'four zones, each pair with a line of a hundredth of what a zone sends', plan: planZones },
  {
    name: 'layers',
    about: 'one image of 16 layers',
    plan: (options) => {
      const layer = Math.round(options.bytes / LAYERS)
      return { ...flash('layers', options), images: [Array.from({ length: LAYERS }, () => layer)] }
    }
  },
  { name: 'images', about: 'four images at once, each pulled by a quarter of the nodes', plan: planImages }
]
