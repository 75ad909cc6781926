import { registerHooks } from 'node:module'

/** A constant of the product and the number that it is to have in this run. */
export interface Setting {
  readonly name: string
  readonly value: number
}

/**
 * Reads `NAME=NUMBER`.
 *
 * @throws RangeError when it is neither
 */
export function parseSetting(text: string): Setting {
  const [, name, value] = /^([A-Z][A-Z0-9_]*)=(-?[0-9.]+)$/.exec(text) ?? []
  if (name === undefined || value === undefined) throw new RangeError(`"${text}" is not like QUEUE_SECONDS=0.5`)
  return { name, value: Number(value) }
}

/** Gives constants of a source text other values. @returns the text, and the names that were found */
export function withSettings(source: string, settings: readonly Setting[]): { source: string; found: string[] } {
  let changed = source
  const found: string[] = []
  for (const { name, value } of settings) {
    const pattern = new RegExp(`^((?:export )?const ${name} = )[^\\n]+$`, 'm')
    if (!pattern.test(changed)) continue
    changed = changed.replace(pattern, `$1${value}`)
    found.push(name)
  }
  return { source: changed, found }
}

/**
 * From now on, the product's modules are loaded with these values in place of their constants: so that any of them can
 * be swept, and none has to be made an option for it.
 *
 * @returns a function that names those that were found in no module or in several
 */
export function overrideConstants(settings: readonly Setting[]): () => string[] {
  const found = new Map(settings.map(({ name }) => [name, 0]))
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context)
      if (settings.length === 0 || !/\/packages\/[^/]+\/src\/.*\.ts$/.test(url)) return loaded
      const changed = withSettings(String(loaded.source), settings)
      for (const name of changed.found) found.set(name, (found.get(name) ?? 0) + 1)
      return { ...loaded, source: changed.source }
    }
  })
  return () => [...found].filter(([, times]) => times !== 1).map(([name]) => name)
}
