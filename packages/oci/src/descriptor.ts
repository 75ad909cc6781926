import { type Digest, isDigest } from './digest.ts'
import { OciError } from './errors.ts'

/** What a manifest of an index runs on (OCI Image Index, "platform"). */
export interface Platform {
  readonly architecture: string
  readonly os: string
  readonly variant?: string
  readonly 'os.version'?: string
}

/** A pointer to content: its type, digest and size (OCI Content Descriptors). */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly urls?: readonly string[]
  readonly annotations?: Readonly<Record<string, string>>
  readonly platform?: Platform
  readonly artifactType?: string
  /** The content itself, base64. */
  readonly data?: string
}

/** Whether a value is an object with keys, as JSON has them. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Checks that a parsed JSON value is a descriptor.
 *
 * @param where in the manifest it stands, for the message
 * @throws OciError `MANIFEST_INVALID`
 */
export function parseDescriptor(value: unknown, where: string): Descriptor {
  if (!isRecord(value)) throw wrong(where, 'is not a descriptor')
  const { mediaType, digest, size, urls, platform, artifactType, data } = value
  if (typeof mediaType !== 'string' || mediaType === '') throw wrong(where, 'has no mediaType')
  if (typeof digest !== 'string' || !isDigest(digest)) throw wrong(where, 'has no valid digest')
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw wrong(where, 'has no valid size')
  if (artifactType !== undefined && typeof artifactType !== 'string') throw wrong(where, 'has a bad artifactType')
  if (data !== undefined && typeof data !== 'string') throw wrong(where, 'has bad data')
  return {
    mediaType,
    digest,
    size,
    ...(urls === undefined ? {} : { urls: parseStrings(urls, `${where}.urls`) }),
    ...(value.annotations === undefined ? {} : { annotations: parseAnnotations(value.annotations, where) }),
    ...(platform === undefined ? {} : { platform: parsePlatform(platform, where) }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(data === undefined ? {} : { data })
  }
}

/** @throws OciError `MANIFEST_INVALID` when a value is not a map from text to text */
export function parseAnnotations(value: unknown, where: string): Readonly<Record<string, string>> {
  if (!isRecord(value)) throw wrong(where, 'has annotations that are not an object')
  const entries = Object.entries(value).map(([key, text]): [string, string] => {
    if (typeof text !== 'string') throw wrong(where, `has an annotation "${key.slice(0, 80)}" that is not text`)
    return [key, text]
  })
  return Object.fromEntries(entries)
}

function parseStrings(value: unknown, where: string): string[] {
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string'))
    throw wrong(where, 'is not a list of text')
  return value
}

function parsePlatform(value: unknown, where: string): Platform {
  if (!isRecord(value)) throw wrong(where, 'has a platform that is not an object')
  const { architecture, os, variant } = value
  if (typeof architecture !== 'string' || typeof os !== 'string')
    throw wrong(where, 'has a platform without os or architecture')
  const version = value['os.version']
  return {
    architecture,
    os,
    ...(typeof variant === 'string' ? { variant } : {}),
    ...(typeof version === 'string' ? { 'os.version': version } : {})
  }
}

function wrong(where: string, what: string): OciError {
  return new OciError('MANIFEST_INVALID', `${where} ${what}`)
}
