import type { Logger } from '@shoal/swarm'
import { optional } from '../options/option.ts'
import type { HostPort } from '../values/address.ts'
import { ADDRESS } from '../values/address.ts'

/** The address of the direct lane, which configurations may name already. */
export const LANE_OPTIONS = {
  'lane-listen': optional(ADDRESS, 'where the direct lane listens; without effect in this version, which has none')
} as const

/** Says in the log that the address was given in vain. */
export function warnOfLane(address: HostPort | undefined, logger: Logger): void {
  if (address !== undefined) logger.warn({ address }, 'lane-listen has no effect: this version has no direct lane')
}
