import { type Descriptor, isRecord, parseAnnotations, parseDescriptor } from './descriptor.ts'
import { OciError } from './errors.ts'
import { isImageManifestType, isIndexType, MEDIA_TYPES } from './media-types.ts'

/** Descriptors that one manifest may hold; more than any real one has. */
const MAX_DESCRIPTORS = 10_000

interface Common {
  readonly mediaType: string
  /** The manifest that this one is about. */
  readonly subject?: Descriptor
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** The manifest of one image or artifact. */
export interface ImageManifest extends Common {
  readonly kind: 'image'
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
}

/** A list of manifests, one for each platform. */
export interface ImageIndex extends Common {
  readonly kind: 'index'
  readonly manifests: readonly Descriptor[]
}

/** What a registry serves under `/manifests/`. */
export type Manifest = ImageManifest | ImageIndex

/**
 * Reads a manifest. Its type is what `contentType` says, else its own `mediaType`, else what its shape says; where two
 * of them contradict each other it is refused, as the image specification advises.
 *
 * @throws OciError `MANIFEST_INVALID`
 */
export function parseManifest(bytes: Uint8Array, contentType?: string): Manifest {
  const body = parseJson(bytes)
  const mediaType = typeOf(body, contentType)
  const common = {
    mediaType,
    ...(body.subject === undefined ? {} : { subject: parseDescriptor(body.subject, 'subject') }),
    ...(body.artifactType === undefined ? {} : { artifactType: parseArtifactType(body.artifactType) }),
    ...(body.annotations === undefined ? {} : { annotations: parseAnnotations(body.annotations, 'the manifest') })
  }
  if (isIndexType(mediaType)) return { kind: 'index', ...common, manifests: parseList(body.manifests, 'manifests') }
  return {
    kind: 'image',
    ...common,
    config: parseDescriptor(body.config, 'config'),
    layers: parseList(body.layers, 'layers')
  }
}

/** The media type under which to serve these bytes. @throws OciError `MANIFEST_INVALID` */
export function manifestMediaType(bytes: Uint8Array): string {
  return typeOf(parseJson(bytes), undefined)
}

/** What a manifest is made of: config and layers, or manifests. Its subject is not a part. */
export function manifestReferences(manifest: Manifest): Descriptor[] {
  return manifest.kind === 'index' ? [...manifest.manifests] : [manifest.config, ...manifest.layers]
}

function parseJson(bytes: Uint8Array): Record<string, unknown> {
  let body: unknown
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new OciError('MANIFEST_INVALID', 'the manifest is not JSON', { cause })
  }
  if (!isRecord(body)) throw new OciError('MANIFEST_INVALID', 'the manifest is not a JSON object')
  const version = body.schemaVersion
  if (version !== undefined && version !== 2) {
    throw new OciError('MANIFEST_INVALID', 'only manifests of schemaVersion 2 are served')
  }
  return body
}

function typeOf(body: Record<string, unknown>, contentType: string | undefined): string {
  const header = contentType?.split(';')[0]?.trim()
  const shape = Array.isArray(body.manifests) ? 'index' : 'image'
  const own = typeof body.mediaType === 'string' ? body.mediaType : undefined
  const inferred = shape === 'index' ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.ociManifest
  const mediaType = header ?? own ?? inferred
  if (header !== undefined && own !== undefined && header !== own) {
    throw new OciError('MANIFEST_INVALID', `the manifest says that it is ${clip(own)}, its sender ${clip(header)}`)
  }
  if (!isImageManifestType(mediaType) && !isIndexType(mediaType)) {
    throw new OciError('MANIFEST_INVALID', `${clip(mediaType)} is not the type of a manifest`)
  }
  if (isIndexType(mediaType) !== (shape === 'index') || (body.manifests !== undefined && body.layers !== undefined)) {
    throw new OciError('MANIFEST_INVALID', `the manifest is not made like ${clip(mediaType)}`)
  }
  return mediaType
}

function parseList(value: unknown, where: string): Descriptor[] {
  if (!Array.isArray(value)) throw new OciError('MANIFEST_INVALID', `the manifest has no ${where}`)
  if (value.length > MAX_DESCRIPTORS) throw new OciError('MANIFEST_INVALID', `the manifest has too many ${where}`)
  return value.map((item, i) => parseDescriptor(item, `${where}[${i}]`))
}

function parseArtifactType(value: unknown): string {
  if (typeof value === 'string') return value
  throw new OciError('MANIFEST_INVALID', 'the artifactType is not text')
}

function clip(text: string): string {
  return `"${text.slice(0, 100)}"`
}
