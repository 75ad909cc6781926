import { markdownTable } from '../../swarm/report/markdown-table.ts'
import type { Outcome } from '../outcome.ts'

const BYTES_PER_KIB = 1024

/** An outcome and what was set otherwise than usual, such as `QUEUE_SECONDS=0.5`. */
export interface Row {
  readonly outcome: Outcome
  readonly settings: string
}

/** One line for the terminal. */
export function outcomeLine({ outcome, settings }: Row): string {
  const { scenario, nodes, chunks, p50, p99, max, seedCopies, wallSeconds, peakMemoryMiB, unfinished } = outcome
  const parts = [
    `${scenario} ${nodes} nodes, ${chunks} chunks${settings === '' ? '' : `, ${settings}`}:`,
    `p50 ${figure(p50)} p99 ${figure(p99)} max ${figure(max)} × bound,`,
    `seed ${figure(seedCopies)} copies`,
    unfinished === 0 ? '' : `, ${unfinished} NOT FINISHED`,
    `(${wallSeconds.toFixed(1)} s, ${Math.round(peakMemoryMiB)} MiB)`
  ]
  return parts.filter((part) => part !== '').join(' ')
}

/** All figures of all runs. */
export function outcomeTable(rows: readonly Row[]): string {
  const head = [
    'scenario',
    'nodes',
    'chunks',
    'set',
    'bound s',
    'p50',
    'p99',
    'max',
    'first byte s p50',
    'p99',
    'seed copies',
    'on its link',
    'a zone link',
    'into a zone',
    'messages per node',
    'KiB per node',
    'of payload',
    'duplicates',
    'wrong chunks',
    'begun anew',
    'not finished'
  ]
  return markdownTable([head, ...rows.map(cells)])
}

function cells({ outcome, settings }: Row): string[] {
  return [
    outcome.scenario,
    String(outcome.nodes),
    String(outcome.chunks),
    settings,
    outcome.boundSeconds.toFixed(2),
    figure(outcome.p50),
    figure(outcome.p99),
    figure(outcome.max),
    figure(outcome.firstByteP50Seconds),
    figure(outcome.firstByteP99Seconds),
    figure(outcome.seedCopies),
    figure(outcome.seedLinkCopies),
    figure(outcome.zoneLinkCopies),
    figure(outcome.zoneCopies),
    outcome.messagesPerNode.toFixed(0),
    (outcome.controlBytesPerNode / BYTES_PER_KIB).toFixed(1),
    percent(outcome.controlShare),
    percent(outcome.duplicates),
    String(outcome.wrongChunks),
    String(outcome.failures),
    String(outcome.unfinished)
  ]
}

/** A number with two places; `–` for none. */
export function figure(value: number | undefined): string {
  return value === undefined ? '–' : value.toFixed(2)
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`
}
