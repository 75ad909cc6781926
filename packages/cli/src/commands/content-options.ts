import { defaulted } from '../options/option.ts'
import { choice } from '../values/choice.ts'

/** Quoted from `@shoal/registry`, which this command line does without until it runs a registry. */
export const DEFAULT_SPARSE_IMAGES = 'accept'

/** Options of `shoal registry` about what may be pushed. */
export const CONTENT_OPTIONS = {
  'sparse-images': defaulted(
    choice('accept', 'refuse'),
    DEFAULT_SPARSE_IMAGES,
    'what becomes of an image whose blobs were not all pushed before it'
  )
} as const
