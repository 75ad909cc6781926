import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
/** What each package may import, nearest first. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  oci: [],
  content: ['oci'],
  swarm: ['content', 'oci'],
  registry: ['swarm', 'content', 'oci'],
  agent: ['swarm', 'content', 'oci'],
  cli: ['registry', 'agent', 'swarm', 'content', 'oci']
}
const MAX_LINES = 400

interface Source {
  readonly path: string
  readonly text: string
  readonly imports: readonly string[]
}

function sourcesOf(folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(
      (name) => name.endsWith('.ts') && !name.split('/').some((part) => part === 'dist' || part === 'node_modules')
    )
    .map((name) => {
      const path = join(folder, name)
      const text = readFileSync(join(root, path), 'utf8')
      const imports = [
        ...text.matchAll(
          /^\s*(?:import|export)\b[^'"\n]*?(?:\{[^}]*\}[^'"\n]*?)?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm
        )
      ]
      return { path, text, imports: imports.map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? '') }
    })
}

const packages = Object.keys(BELOW)
const sources = new Map(packages.map((name) => [name, sourcesOf(`packages/${name}`)]))
const all = [...sources.values()].flat()

describe('the house', () => {
  it('has the packages that are listed here, and files in each', () => {
    assert.deepEqual(readdirSync(join(root, 'packages')).toSorted(), packages.toSorted())
    for (const [name, files] of sources) assert.ok(files.length > 1, `packages/${name} is empty`)
    assert.ok(
      all.flatMap((source) => source.imports).length > 100,
      'hardly any import was found: is the pattern broken?'
    )
  })

  it('imports down only', () => {
    for (const [name, files] of sources) {
      for (const { path, imports } of files) {
        for (const target of imports) {
          const [, other] = /^@shoal\/([^/]+)/.exec(target) ?? []
          const own = other === name && path.includes('/test/')
          if (other !== undefined) assert.ok(own || BELOW[name]?.includes(other), `${path} may not import ${target}`)
        }
      }
    }
  })

  it('enters a package by its door only', () => {
    for (const [name, files] of sources) {
      for (const { path, imports } of files) {
        for (const target of imports) {
          assert.ok(!/^@shoal\/[^/]+\//.test(target), `${path} reaches past the door: ${target}`)
          if (!target.startsWith('.')) continue
          const inside = relative(join(root, 'packages', name), resolve(root, dirname(path), target))
          assert.ok(!inside.startsWith('..'), `${path} reaches into another package: ${target}`)
        }
      }
    }
  })

  it('declares what it imports', () => {
    for (const [name, files] of sources) {
      const manifest = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'))
      const top = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
      const declared = Object.keys(manifest.dependencies ?? {})
      for (const { path, imports } of files) {
        const inTest = path.includes('/test/')
        for (const target of imports) {
          if (target.startsWith('.') || target.startsWith('node:')) continue
          const dependency = target
            .split('/')
            .slice(0, target.startsWith('@') ? 2 : 1)
            .join('/')
          const allowed = inTest ? [...declared, manifest.name, ...Object.keys(top.devDependencies)] : declared
          assert.ok(
            allowed.includes(dependency),
            `${path} imports ${dependency}, which packages/${name} does not declare`
          )
        }
      }
    }
  })

  it('has no circle between files', () => {
    const graph = new Map(
      all.map(({ path, imports }) => [
        path,
        imports.filter((target) => target.startsWith('.')).map((target) => join(dirname(path), target))
      ])
    )
    const done = new Set<string>()
    const visit = (path: string, trail: readonly string[]): void => {
      assert.ok(!trail.includes(path), `a circle: ${[...trail.slice(trail.indexOf(path)), path].join(' → ')}`)
      if (done.has(path)) return
      for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
      done.add(path)
    }
    for (const path of graph.keys()) visit(path, [])
  })

  it('has files of one subject', () => {
    for (const { path, text } of [...all, ...sourcesOf('test'), ...sourcesOf('bench')]) {
      const lines = text.split('\n').length
      assert.ok(lines <= MAX_LINES, `${path} has ${lines} lines; over ${MAX_LINES} it has two subjects`)
    }
  })
})
