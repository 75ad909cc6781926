import { type Descriptor, MEDIA_TYPES } from '@shoal/oci'
import { CommandError } from '../errors.ts'

/** Names of an image in `index.json` (image-spec, annotations.md), and the one that containerd's import reads. */
const REF_NAME = 'org.opencontainers.image.ref.name'
const CONTAINERD_NAME = 'io.containerd.image.name'

/** What an image is called in an index: its whole reference, and its tag if it has one. */
export interface LayoutNames {
  readonly full: string
  readonly tag?: string
}

/**
 * The text of an `index.json` with an image added; an entry of the same name is replaced, other entries stay.
 *
 * @param before the text as it is now; undefined when there is none
 * @param file path of the index, for messages
 * @throws CommandError when `before` is no index
 */
export function addToIndex(
  before: string | undefined,
  file: string,
  descriptor: Descriptor,
  names: LayoutNames
): string {
  const kept = entriesOf(before, file).filter((entry) => !sameName(entry, names, descriptor))
  const annotations = {
    ...(names.tag === undefined ? {} : { [REF_NAME]: names.tag }),
    [CONTAINERD_NAME]: names.full
  }
  const manifests = [...kept, { ...descriptor, annotations }]
  return `${JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests }, undefined, 2)}\n`
}

function entriesOf(text: string | undefined, file: string): readonly object[] {
  if (text === undefined) return []
  let index: unknown
  try {
    index = JSON.parse(text)
  } catch (cause) {
    throw new CommandError(`${file} is not JSON; repair it, or give another folder with --output`, { cause })
  }
  const manifests =
    typeof index === 'object' && index !== null && 'manifests' in index && Array.isArray(index.manifests)
      ? index.manifests
      : undefined
  if (manifests === undefined) {
    throw new CommandError(`${file} is no image index; repair it, or give another folder with --output`)
  }
  return manifests.filter((entry) => typeof entry === 'object' && entry !== null)
}

function sameName(entry: object, names: LayoutNames, descriptor: Descriptor): boolean {
  const found = 'annotations' in entry ? entry.annotations : undefined
  const annotations: object = typeof found === 'object' && found !== null ? found : {}
  const full = CONTAINERD_NAME in annotations ? annotations[CONTAINERD_NAME] : undefined
  if (full !== undefined) return full === names.full
  const tag = REF_NAME in annotations ? annotations[REF_NAME] : undefined
  if (tag !== undefined) return tag === names.tag
  return 'digest' in entry && entry.digest === descriptor.digest
}
