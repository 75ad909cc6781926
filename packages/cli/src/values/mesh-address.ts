import { parseAddress } from './address.ts'
import { notA, type ValueParser } from './value-parser.ts'

/** Where a mesh node listens; without a host, on every address of this machine that is not public. */
export interface MeshAddress {
  readonly host?: string
  readonly port: number
}

/**
 * Reads `HOST:PORT`, or `:PORT` for every private address.
 *
 * @throws ValueError
 */
export function parseMeshAddress(text: string): MeshAddress {
  if (!text.startsWith(':')) return parseAddress(text)
  try {
    return { port: parseAddress(`localhost${text}`).port }
  } catch {
    throw notA('an address', text, '[HOST]:PORT, such as :5001 or 10.0.0.7:5001')
  }
}

export const MESH_ADDRESS: ValueParser<MeshAddress> = { placeholder: 'HOST:PORT', parse: parseMeshAddress }
