import { OciError } from '@shoal/oci'

/** There is no such repository. */
export function repositoryUnknown(name: string): OciError {
  return new OciError('NAME_UNKNOWN', `there is no repository ${name} here`, { detail: { name } })
}

/** The repository has no such blob, whether or not another one has it. */
export function blobUnknown(name: string, digest: string): OciError {
  return new OciError('BLOB_UNKNOWN', `${name} has no blob ${digest}`, { detail: { digest } })
}

/** The repository has no such manifest. */
export function manifestUnknown(name: string, reference: string): OciError {
  return new OciError('MANIFEST_UNKNOWN', `${name} has no manifest ${reference}`, { detail: { name, reference } })
}
