import { type Manifest, MEDIA_TYPES } from '@shoal/oci'

/** The type of what a container runtime runs. */
export const IMAGE_TYPE = 'image'

/** `application/vnd.<org>.<type>.config…`; the organisation may have dots, or be left out. */
const CONFIG_TYPE = /^application\/vnd\.(?:[\w.-]+\.)?([\w-]+)\.config(?:[.+]|$)/

/**
 * What kind of thing a manifest is: its `artifactType` as it stands; else the word that its config's media type has for
 * it, as `image` or `helm`; else that media type. An index without an `artifactType` does not say.
 */
export function artifactTypeOf(manifest: Manifest): string | undefined {
  if (manifest.artifactType !== undefined) return manifest.artifactType
  if (manifest.kind === 'index') return undefined
  const { mediaType } = manifest.config
  if (mediaType === MEDIA_TYPES.dockerConfig) return IMAGE_TYPE
  return CONFIG_TYPE.exec(mediaType)?.[1] ?? mediaType
}
