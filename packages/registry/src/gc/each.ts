/**
 * Do `work` for every item, a few at a time. The first failure ends it, when what is under way has ended.
 *
 * @param concurrency how many at a time
 */
export async function each<T>(
  items: AsyncIterable<T>,
  concurrency: number,
  work: (item: T) => Promise<void>
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]()
  let isOver = false
  const worker = async (): Promise<void> => {
    while (!isOver) {
      const next = await iterator.next()
      if (next.done) return
      try {
        await work(next.value)
      } catch (error) {
        isOver = true
        throw error
      }
    }
  }
  const results = await Promise.allSettled(Array.from({ length: concurrency }, worker))
  if (isOver) await iterator.return?.()
  for (const result of results) if (result.status === 'rejected') throw result.reason
}
