import assert from 'node:assert/strict'
import { it } from 'node:test'
import { parseProxyOptions } from '../proxy/options.ts'
import { formatProxyTable, summarise } from '../proxy/report.ts'
import type { Sample, Way } from '../proxy/ways.ts'

const way = (name: string): Way => ({ name, nodes: 1, pull: () => Promise.resolve() })
const sample = (name: string, seconds: number): Sample => ({
  way: name,
  seconds,
  upstreamCopies: 1,
  requestsPerBlob: 1
})

it('compares each way with the plain pull of its own round', () => {
  const samples = [sample('plain', 1), sample('other', 3), sample('plain', 2), sample('other', 4)]
  const rows = summarise([way('plain'), way('other')], samples)
  assert.deepEqual(
    rows.map(({ ratio, seconds }) => [seconds, ratio]),
    [
      [1.5, 1],
      [3.5, 2.5]
    ]
  )
  assert.match(formatProxyTable(rows), /\| other \| 3\.50 \| 2\.50 \| 1\.000 \| 1\.00 \|/)
})

it('refuses options that make no sense', () => {
  assert.throws(() => parseProxyOptions(['--rounds', '0']), /--rounds/)
  assert.throws(() => parseProxyOptions(['--rate', 'fast']), /--rate/)
  assert.equal(parseProxyOptions(['--quick']).rounds, 1)
})
