import type { BenchSystem } from '../bench-system.ts'
import { dockerRegistry } from './docker-registry.ts'
import { nginx } from './nginx.ts'
import { SHOAL_VARIANTS } from './shoal.ts'

/** Every system, in the order of the tables. A further one is a file beside this one and a word here. */
export const SYSTEMS: readonly BenchSystem[] = [nginx, dockerRegistry, ...SHOAL_VARIANTS]
