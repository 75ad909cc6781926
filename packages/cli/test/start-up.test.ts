import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { VERSION } from '../src/version.ts'

const BIN = fileURLToPath(new URL('../bin/shoal.js', import.meta.url))

/** What a file imports, and what those import in turn, before any of it runs. */
function loadedWith(file: URL, seen = new Set<string>()): Set<string> {
  if (seen.has(file.href)) return seen
  seen.add(file.href)
  const imports = readFileSync(file, 'utf8').matchAll(/^(?:import|export)\s+(?!type\b)[^'"]*?\bfrom '([^']+)'/gm)
  for (const [, target = ''] of imports) {
    if (target.startsWith('.')) loadedWith(new URL(target, file), seen)
    else if (!target.startsWith('node:')) seen.add(target)
  }
  return seen
}

describe('the start', () => {
  it('runs the command line', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [BIN, '--version'])
    assert.equal(stdout, `shoal ${VERSION}\n`)
  })

  it('loads nothing large before it is known which command runs', () => {
    const loaded = loadedWith(new URL('../src/run.ts', import.meta.url))
    assert.ok(loaded.size > 20, 'hardly any import was found: is the pattern broken?')
    assert.deepEqual(
      [...loaded].filter((name) => !name.startsWith('file:')),
      []
    )
  })
})
