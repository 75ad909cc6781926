import { Counter, Gauge, type Registry } from 'prom-client'

/** What is counted of events, by webhook. */
export interface EventMetrics {
  delivered(webhook: string): void
  /** A try that failed. */
  failed(webhook: string): void
  dropped(webhook: string, events: number): void
}

/** What is measured when metrics are asked for. */
export type WebhookGauges = () => readonly { name: string; queued: number; oldestAgeSeconds: number }[]

/**
 * Makes `shoal_events_{delivered,failed,dropped}_total{webhook}`, `shoal_events_queued{webhook}` and
 * `shoal_events_oldest_age_seconds{webhook}` on `register`.
 */
export function createEventMetrics(register: Registry, webhooks: WebhookGauges): EventMetrics {
  const counter = (what: string, help: string) =>
    new Counter({ name: `shoal_events_${what}_total`, help, labelNames: ['webhook'] as const, registers: [register] })
  const delivered = counter('delivered', 'Events that a webhook took')
  const failed = counter('failed', 'Tries to deliver an event that failed')
  const dropped = counter('dropped', 'Events that a webhook never got: too many waited, or they became too old')
  new Gauge({
    name: 'shoal_events_queued',
    help: 'Events that wait for a webhook',
    labelNames: ['webhook'] as const,
    registers: [register],
    collect() {
      for (const { name, queued } of webhooks()) this.set({ webhook: name }, queued)
    }
  })
  new Gauge({
    name: 'shoal_events_oldest_age_seconds',
    help: 'Age of the oldest event that waits for a webhook',
    labelNames: ['webhook'] as const,
    registers: [register],
    collect() {
      for (const { name, oldestAgeSeconds } of webhooks()) this.set({ webhook: name }, oldestAgeSeconds)
    }
  })
  return {
    delivered: (webhook) => delivered.inc({ webhook }),
    failed: (webhook) => failed.inc({ webhook }),
    dropped: (webhook, events) => dropped.inc({ webhook }, events)
  }
}
