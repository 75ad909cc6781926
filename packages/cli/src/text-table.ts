import { printable } from './progress/render.ts'

/** How the cells of a column are aligned. */
export type Alignment = 'left' | 'right'

/**
 * A table for people: columns two blanks apart, as wide as their widest cell. The last column is not padded.
 *
 * @param alignments of the columns; left where nothing is said
 */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  alignments: readonly Alignment[] = []
): string[] {
  const all = [header, ...rows].map((cells) => cells.map(printable))
  const widths = header.map((_, column) => Math.max(...all.map((cells) => cells[column]?.length ?? 0)))
  return all.map((cells) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return alignments[column] === 'right' ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  )
}
