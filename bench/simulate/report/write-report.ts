import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeMachine } from '../../machine.ts'
import { curves } from './curves.ts'
import { outcomeTable, type Row } from './figures.ts'
import { targetTable } from './targets.ts'

const RESULTS = fileURLToPath(new URL('../../results', import.meta.url))

/** A folder for the report of a run that begins now. */
export function reportDirectory(now: Date): string {
  return path.join(RESULTS, `simulate-${now.toISOString().slice(0, 19).replaceAll(':', '')}`)
}

/** Writes what there is so far: a page, the figures as JSON, and curves. @returns the page */
export async function writeReport(directory: string, rows: readonly Row[]): Promise<string> {
  await mkdir(directory, { recursive: true })
  const pictures = curves(rows)
  const targets = targetTable(rows)
  const page = [
    '# Simulated swarms',
    'Times are over the fluid bound of what the node pulled. Shoal’s own logic in virtual time; see bench/README.md for what is modelled.',
    ...(targets === undefined ? [] : ['## Targets', targets]),
    '## Runs',
    outcomeTable(rows),
    ...pictures.map(({ file }) => `![${file}](${file})`)
  ].join('\n\n')
  await writeFile(path.join(directory, 'report.md'), `${page}\n`)
  await writeFile(
    path.join(directory, 'report.json'),
    `${JSON.stringify({ machine: describeMachine(), runs: rows }, undefined, 2)}\n`
  )
  for (const { file, svg } of pictures) await writeFile(path.join(directory, file), svg)
  return page
}
