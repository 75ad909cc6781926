import { readFileSync } from 'node:fs'

const packageJson: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))

/** The version of this program. */
export const VERSION: string =
  typeof packageJson === 'object' && packageJson !== null && 'version' in packageJson ? String(packageJson.version) : ''
