import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseMetrics } from '../harness/metrics.ts'

describe('a metrics page', () => {
  const page = `# HELP shoal_bytes_sent_total Verified payload bytes.
# TYPE shoal_bytes_sent_total counter
shoal_bytes_sent_total{to="peer",lane="direct"} 10
shoal_bytes_sent_total{to="peer",lane="libp2p"} 2.5e+1
shoal_bytes_sent_total{lane="http",to="client"} 7 1700000000000
shoal_blob_seconds_bucket{le="+Inf",path="a\\"b,c}"} +Inf
up 1
`

  it('is summed by labels', () => {
    const metrics = parseMetrics(page)
    assert.equal(metrics.sum('shoal_bytes_sent_total'), 42)
    assert.equal(metrics.sum('shoal_bytes_sent_total', { to: 'peer' }), 35)
    assert.equal(metrics.sum('shoal_bytes_sent_total', { to: 'nobody' }), 0)
    assert.equal(metrics.sum('up'), 1)
    assert.equal(metrics.sum('shoal_blob_seconds_bucket', { path: 'a"b,c}' }), Number.POSITIVE_INFINITY)
  })

  it('tells a zero from a metric that is not there', () => {
    const metrics = parseMetrics('shoal_peers_banned_total 0\n')
    assert.ok(metrics.has('shoal_peers_banned_total'))
    assert.ok(!metrics.has('shoal_peers_baned_total'))
  })

  it('that is none is refused', () => {
    assert.throws(() => parseMetrics('<html>'), /not a metric: <html>/)
  })
})
