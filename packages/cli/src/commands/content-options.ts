import { defaulted, type OptionValues } from '../options/option.ts'
import { choice } from '../values/choice.ts'

// What the registry would do by itself; its package is not loaded until it runs.
const DEFAULT_SPARSE_IMAGES = 'accept'
const DEFAULT_FOREIGN_LAYERS = 'skip'
const DEFAULT_FOREIGN_ADDRESSES = 'public'

/** Options of `shoal registry` about what may be pushed. */
export const CONTENT_OPTIONS = {
  'sparse-images': defaulted(
    choice('accept', 'refuse'),
    DEFAULT_SPARSE_IMAGES,
    'what becomes of an image whose blobs were not all pushed before it'
  ),
  'foreign-layers': defaulted(
    choice('skip', 'proxy'),
    DEFAULT_FOREIGN_LAYERS,
    'whether layers that an image names by URL only are fetched when they are asked for'
  ),
  'foreign-addresses': defaulted(
    choice('public', 'any'),
    DEFAULT_FOREIGN_ADDRESSES,
    'where such layers may be fetched from; "any" lets whoever may push reach into private networks'
  )
} as const

/** What the registry is told of them. */
export function contentFrom(values: OptionValues<typeof CONTENT_OPTIONS>) {
  return {
    sparseImages: values['sparse-images'],
    foreignLayers: values['foreign-layers'],
    foreignAddresses: values['foreign-addresses']
  }
}
