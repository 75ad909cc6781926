import type { Descriptor } from '@shoal/oci'

/**
 * Whether a layer is one that registries do not have to keep, because its owner lets nobody pass it on (OCI image,
 * "Non-Distributable Layers"; Docker's "foreign" layers). The base layers of Windows images were of this kind.
 */
export function isForeign({ mediaType, urls }: Descriptor): boolean {
  return (urls?.length ?? 0) > 0 || /\.(?:nondistributable|foreign)\./.test(mediaType)
}
