import type { AgentRates } from '../world.ts'
import type { WorldShape } from '../world-shape.ts'

/** An image: the sizes of its layers, bytes. */
export type ImagePlan = readonly number[]

/** What one node does. */
export interface NodePlan extends AgentRates {
  /** Which image it pulls. */
  readonly image: number
  /** A wave begins when the one before is done. */
  readonly wave: number
  /** When it begins after its wave did, ms. */
  readonly pullAt: number
  /** When it is killed after the first wave began, ms; undefined for never. */
  readonly leavesAt: number | undefined
  /** It is not there before it pulls. */
  readonly joins: boolean
  /** Whether its time counts. */
  readonly counts: boolean
  /** The least time in which it can have its image, in seconds. */
  readonly boundSeconds: number
}

/** All that happens in a run. */
export interface Plan {
  readonly scenario: string
  readonly shape: WorldShape
  readonly images: readonly ImagePlan[]
  readonly nodes: readonly NodePlan[]
  /** The registry is killed as soon as agents hold one copy of everything. */
  readonly losesRegistry: boolean
}

/** What a scenario is made for. */
export interface ScenarioOptions {
  readonly nodes: number
  /** Bytes of an image. */
  readonly bytes: number
  readonly nodeMbit: number
  readonly shape: WorldShape
}

/** Something that happens in a cluster. */
export interface Scenario {
  readonly name: string
  readonly about: string
  plan(options: ScenarioOptions): Plan
}
