import type { LaneConfig } from '@shoal/swarm'
import { defaulted } from '../options/option.ts'
import { choice } from '../values/choice.ts'
import { LANE_ADDRESS, type LaneAddress } from '../values/lane-address.ts'
import { DEFAULT_LANE_LISTEN } from './default-addresses.ts'

const DEFAULT_LANE_ENCRYPTION = 'tls'

/** The options of the direct lane, which carries chunks past libp2p. */
export const LANE_OPTIONS = {
  'lane-listen': defaulted(
    LANE_ADDRESS,
    DEFAULT_LANE_LISTEN,
    'where peers dial to be sent chunks; without a host, on all private addresses; off: chunks are sent over libp2p'
  ),
  'lane-encryption': defaulted(
    choice('tls', 'none'),
    DEFAULT_LANE_ENCRYPTION,
    'none: with peers that say so too, chunks travel in the clear; both still prove who they are'
  )
} as const

/** The direct lane as the options say. */
export function laneFrom(values: {
  readonly 'lane-listen': LaneAddress
  readonly 'lane-encryption': LaneConfig['encryption']
}): LaneConfig {
  const listen = values['lane-listen']
  return { listen: listen === 'off' ? undefined : listen, encryption: values['lane-encryption'] }
}
