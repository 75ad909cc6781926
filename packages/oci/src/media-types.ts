/** Media types of the OCI image specification, and Docker's that mean the same. */
export const MEDIA_TYPES = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerManifestList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip'
} as const

const IMAGES: readonly string[] = [MEDIA_TYPES.ociManifest, MEDIA_TYPES.dockerManifest]
const INDEXES: readonly string[] = [MEDIA_TYPES.ociIndex, MEDIA_TYPES.dockerManifestList]

/** Whether a media type is that of the manifest of one image or artifact. */
export function isImageManifestType(mediaType: string): boolean {
  return IMAGES.includes(mediaType)
}

/** Whether a media type is that of an index. */
export function isIndexType(mediaType: string): boolean {
  return INDEXES.includes(mediaType)
}

/** Whether a media type is that of a manifest of any kind that we understand. */
export function isManifestMediaType(mediaType: string): boolean {
  return isImageManifestType(mediaType) || isIndexType(mediaType)
}

/** An `Accept` header for every kind of manifest that we understand. */
export const MANIFEST_ACCEPT = [...IMAGES, ...INDEXES].join(', ')
