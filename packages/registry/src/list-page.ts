import type { Page } from './metadata.ts'

/** A part of a list. */
export interface ListPage<T> {
  readonly items: T[]
  /** Whether there is more behind the last of them. */
  readonly more: boolean
}

/**
 * Take a page from the beginning of a list. For `n=0` it is empty, with nothing behind it: there is no entry to go on from.
 */
export async function takePage<T>(list: AsyncIterable<T>, { limit }: Page): Promise<ListPage<T>> {
  const items: T[] = []
  if (limit === 0) return { items, more: false }
  for await (const item of list) {
    if (items.length === limit) return { items, more: true }
    items.push(item)
  }
  return { items, more: false }
}
