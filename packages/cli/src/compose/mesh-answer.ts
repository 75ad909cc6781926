import type { UpstreamName } from '@shoal/agent'
import type { RegistryClient } from '@shoal/oci'
import { CommandError } from '../errors.ts'

const MESH_ANSWER_MAX_BYTES = 64 * 1024
const MAX_ADDRESSES = 64
const MAX_UPSTREAMS = 100
const MAX_ADDRESS_CHARACTERS = 512

/**
 * Asks a registry where its node in the mesh is.
 *
 * @returns multiaddrs
 * @throws CommandError when the answer makes no sense
 */
export async function askMeshAddresses(
  client: Pick<RegistryClient, 'get' | 'host'>,
  options: { signal: AbortSignal }
): Promise<string[]> {
  const response = await client.get('/api/v1/mesh', { ...options, maxBytes: MESH_ANSWER_MAX_BYTES })
  const addresses = response.status === 200 ? parseAddresses(new TextDecoder().decode(response.bytes)) : undefined
  if (addresses !== undefined) return addresses
  throw new CommandError(
    `${client.host} does not say where its mesh is (status ${response.status}); give the URL of a Shoal registry with --registry`
  )
}

/** The addresses in a mesh answer; undefined when it is none. */
export function parseAddresses(text: string): string[] | undefined {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    return undefined
  }
  const found = typeof answer === 'object' && answer !== null && 'addresses' in answer ? answer.addresses : undefined
  if (!Array.isArray(found)) return undefined
  return found
    .filter((address): address is string => typeof address === 'string' && address.length <= MAX_ADDRESS_CHARACTERS)
    .slice(0, MAX_ADDRESSES)
}

/** Asks a registry which other registries' images it has. @returns none when it does not say */
export async function askUpstreams(
  client: Pick<RegistryClient, 'get'>,
  options: { signal: AbortSignal }
): Promise<UpstreamName[]> {
  const response = await client.get('/api/v1/mesh', { ...options, maxBytes: MESH_ANSWER_MAX_BYTES })
  return response.status === 200 ? parseUpstreamNames(new TextDecoder().decode(response.bytes)) : []
}

/** The upstreams in a mesh answer. */
export function parseUpstreamNames(text: string): UpstreamName[] {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    return []
  }
  const found = typeof answer === 'object' && answer !== null && 'upstreams' in answer ? answer.upstreams : undefined
  if (!Array.isArray(found)) return []
  return found.slice(0, MAX_UPSTREAMS).flatMap((each: unknown) => {
    if (typeof each !== 'object' || each === null || !('host' in each) || !('prefix' in each)) return []
    const { host, prefix } = each
    return typeof host === 'string' && typeof prefix === 'string' && prefix !== '' ? [{ host, prefix }] : []
  })
}
