import type { Descriptor } from '@shoal/oci'
import { formatPlatform, type Platform } from '../values/platform.ts'

/** Variants of ARM that run on each variant, best first (ARMv8 in 32 bits runs all of them). */
const ARM_VARIANTS: Readonly<Record<string, readonly string[]>> = {
  v8: ['v8', 'v7', 'v6', 'v5'],
  v7: ['v7', 'v6', 'v5'],
  v6: ['v6', 'v5'],
  v5: ['v5']
}

/**
 * The manifest of an index that runs on `wanted`: the same system and processor, and of its variants the best one. Without a wanted
 * variant the first that fits is taken.
 *
 * @returns undefined when none fits
 */
export function choosePlatform(manifests: readonly Descriptor[], wanted: Platform): Descriptor | undefined {
  const fitting = manifests.filter(
    ({ platform }) => platform?.os === wanted.os && platform.architecture === wanted.architecture
  )
  if (wanted.variant === undefined) return fitting[0]
  const order = wanted.architecture === 'arm' ? ARM_VARIANTS[wanted.variant] : undefined
  for (const variant of order ?? [wanted.variant]) {
    const match = fitting.find(({ platform }) => platform?.variant === variant)
    if (match !== undefined) return match
  }
  return fitting.find(({ platform }) => platform?.variant === undefined)
}

/** The platforms of an index for an error message, without what stands in for attestations. */
export function listPlatforms(manifests: readonly Descriptor[]): string {
  const names = manifests.flatMap(({ platform }) => {
    if (platform === undefined || platform.os === 'unknown') return []
    const { os, architecture, variant } = platform
    return [formatPlatform(variant === undefined ? { os, architecture } : { os, architecture, variant })]
  })
  return names.length === 0 ? 'none' : [...new Set(names)].join(', ')
}
