/** What has to be undone, in the reverse order of how it was done. */
export class Teardown {
  #steps: { readonly name: string; readonly undo: () => unknown }[] = []

  /** Notes how to undo what was just done. */
  add(name: string, undo: () => unknown): void {
    this.#steps.push({ name, undo })
  }

  /**
   * Undoes everything noted, the last first; a step that fails does not keep the others from being done.
   *
   * @throws AggregateError of the steps that failed
   */
  async run(): Promise<void> {
    const errors: Error[] = []
    for (const { name, undo } of this.#steps.splice(0).reverse()) {
      try {
        await undo()
      } catch (cause) {
        errors.push(new Error(`cannot stop the ${name}`, { cause }))
      }
    }
    if (errors.length > 0) throw new AggregateError(errors)
  }
}

/** Runs `build`; when it fails, what it noted so far is undone before the error goes on. */
export async function withTeardown<T>(build: (teardown: Teardown) => Promise<T>): Promise<T> {
  const teardown = new Teardown()
  try {
    return await build(teardown)
  } catch (error) {
    // The first error is the one to tell of; what fails while tidying up follows from it.
    await teardown.run().catch(() => undefined)
    throw error
  }
}
