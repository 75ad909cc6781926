import { type MeshAddress, parseMeshAddress } from './mesh-address.ts'
import type { ValueParser } from './value-parser.ts'

/** Where the direct lane listens; `off` for nowhere. */
export type LaneAddress = MeshAddress | 'off'

export const LANE_ADDRESS: ValueParser<LaneAddress> = {
  placeholder: 'HOST:PORT|off',
  parse: (text) => (text === 'off' ? text : parseMeshAddress(text))
}
