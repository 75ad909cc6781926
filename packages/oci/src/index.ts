/**
 * The words of OCI: digests, references, descriptors, manifests, errors; and a client that speaks to any registry.
 *
 * @example
 *
 * ```ts
 * const { registry, repository, tag = 'latest' } = parseReference('registry.example:5000/team/app:1')
 * const client = new RegistryClient({ url: `https://${registry}` })
 * const manifest = await client.getManifest(repository, tag)
 * ```
 *
 * @packageDocumentation
 */
export { type ByteRange, formatContentRange, parseByteRange, parseContentRange } from './byte-range.ts'
export type { Credentials } from './client/authorizer.ts'
export type { ConnectionOptions } from './client/http.ts'
export {
  type BlobOptions,
  type ClientOptions,
  type FetchedBlob,
  type FetchedManifest,
  type ManifestHead,
  type ManifestOptions,
  RegistryClient,
  type RegistryClientInit
} from './client/registry-client.ts'
export { RegistryUnreachableError } from './client/registry-unreachable.ts'
export { type Descriptor, type Platform, parseDescriptor } from './descriptor.ts'
export {
  type Digest,
  type DigestAlgorithm,
  digestAlgorithm,
  digestBytes,
  digestFromBytes,
  digestHex,
  digestOf,
  isDigest,
  parseDigest
} from './digest.ts'
export { type DistributionRoute, parseDistributionPath } from './distribution-path.ts'
export { type DrainableServer, drainServer } from './drain-server.ts'
export { type ErrorEntry, errorEnvelope, OciError, type OciErrorCode, parseErrorEnvelope } from './errors.ts'
export {
  type ImageIndex,
  type ImageManifest,
  type Manifest,
  manifestMediaType,
  manifestReferences,
  parseManifest
} from './manifest.ts'
export { isManifestMediaType, MANIFEST_ACCEPT, MEDIA_TYPES } from './media-types.ts'
export {
  DEFAULT_REGISTRY,
  formatReference,
  isRepositoryName,
  isTag,
  parseReference,
  type Reference
} from './reference.ts'
