import type { Clock, Logger } from '@shoal/swarm'
import { DeliveryQueue, type QueueBounds } from './delivery-queue.ts'
import type { EventLog, Waiting } from './event-log.ts'
import type { EventMetrics } from './event-metrics.ts'
import { type EventOrigin, formatEvent, SIGNATURE_HEADER, signEvent } from './format.ts'
import {
  DEFAULT_EVENT_FORMAT,
  DEFAULT_WEBHOOK_BACKOFF_MAX_MS,
  DEFAULT_WEBHOOK_TIMEOUT_MS,
  WEBHOOK_BACKOFF_MIN_MS,
  type Webhook
} from './webhook.ts'
import type { Post } from './webhook-client.ts'

/** Repositories whose events are on their way to one webhook at the same time. */
export const WEBHOOK_IN_FLIGHT_MAX = 4
/** What a webhook took is written down together, this long after the first of it: each write stands between two pushes. */
export const DONE_WINDOW_MS = 200
/** What is dropped is logged at most this often. */
const DROP_LOG_MS = 60_000

/** What a webhook is served with. */
export interface WebhookSenderInit {
  readonly webhook: Webhook
  readonly log: Pick<EventLog, 'done' | 'get'>
  readonly post: Post
  readonly origin: () => EventOrigin
  readonly bounds: QueueBounds
  /** Older events are dropped, milliseconds. */
  readonly ageMaxMs: number
  /** Times between tries. */
  readonly clock: Clock
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** From 0 to 1. */
  readonly random: () => number
  readonly logger: Logger
  readonly metrics: EventMetrics
}

/** Sends events to one webhook: each until it is taken, in order within a repository. */
export class WebhookSender {
  readonly #init: WebhookSenderInit
  readonly #queue: DeliveryQueue
  readonly #abort = new AbortController()
  /** Failed tries in a row, by repository. */
  readonly #failures = new Map<string, number>()
  readonly #cancels = new Set<() => void>()
  readonly #work = new Set<Promise<void>>()
  /** Sent or dropped, and not written down yet. */
  #gone = new Set<number>()
  #cancelWrite: (() => void) | undefined
  #lastError = ''
  #droppedSince = 0
  #dropLoggedAt = Number.NEGATIVE_INFINITY

  constructor(init: WebhookSenderInit) {
    this.#init = init
    this.#queue = new DeliveryQueue(init.bounds)
  }

  get name(): string {
    return this.#init.webhook.name
  }

  /** How it stands, for people and metrics. */
  get status() {
    const { name, url } = this.#init.webhook
    const { oldest } = this.#queue
    // A clock that was set back makes nothing younger than new.
    const age = oldest === undefined ? 0 : Math.max(0, this.#init.now() - oldest.at) / 1000
    const where = new URL(url)
    return {
      name,
      url: `${where.origin}${where.pathname}`,
      queued: this.#queue.size,
      queuedBytes: this.#queue.bytes,
      oldestAgeSeconds: age,
      failing: this.#failures.size,
      lastError: this.#lastError
    }
  }

  has(seq: number): boolean {
    return this.#queue.has(seq)
  }

  /** Events that are kept for it. They are sent in this order, within a repository. */
  add(events: Iterable<Waiting>): void {
    for (const event of events) this.#drop(this.#queue.add(event))
    this.#pump()
  }

  /** This is to wait again; to be called before that is written down. */
  retake(seq: number): void {
    this.#gone.delete(seq)
  }

  /** Drop what became too old. */
  expire(): void {
    const { ageMaxMs, now } = this.#init
    const old: Waiting[] = []
    for (let { oldest } = this.#queue; oldest !== undefined && now() - oldest.at > ageMaxMs; { oldest } = this.#queue) {
      this.#queue.remove(oldest.seq)
      old.push(oldest)
    }
    this.#drop(old)
  }

  /** Leave what waits to the next start. */
  async stop(): Promise<void> {
    this.#abort.abort(new Error('the registry is stopping'))
    for (const cancel of this.#cancels) cancel()
    this.#cancels.clear()
    await Promise.all(this.#work)
    await this.#writeDone()
  }

  #pump(): void {
    while (!this.#abort.signal.aborted && this.#work.size < WEBHOOK_IN_FLIGHT_MAX) {
      const event = this.#queue.take()
      if (event === undefined) return
      const work = this.#deliver(event).finally(() => {
        this.#work.delete(work)
        this.#pump()
      })
      this.#work.add(work)
    }
  }

  /** Never throws. */
  async #deliver({ repository, seq }: Waiting): Promise<void> {
    const { logger, metrics } = this.#init
    try {
      if (await this.#send(seq)) metrics.delivered(this.name)
      this.#failures.delete(repository)
      if (this.#failures.size === 0) this.#lastError = ''
      this.#queue.remove(seq)
      this.#queue.release(repository)
      this.#done([seq])
    } catch (error) {
      if (this.#abort.signal.aborted) return
      metrics.failed(this.name)
      const tries = (this.#failures.get(repository) ?? 0) + 1
      this.#failures.set(repository, tries)
      this.#lastError = error instanceof Error ? error.message.slice(0, 200) : 'it failed'
      logger.debug({ err: error, webhook: this.name, event: seq, tries }, 'an event was not taken')
      const cancel = this.#init.clock.after(this.#delay(tries), () => {
        this.#cancels.delete(cancel)
        this.#queue.release(repository)
        this.#pump()
      })
      this.#cancels.add(cancel)
    }
  }

  /** @returns false when it is not kept any more */
  async #send(seq: number): Promise<boolean> {
    const { log, now, origin, post, webhook } = this.#init
    const event = await log.get(seq)
    if (event === undefined) return false
    const { body, contentType } = formatEvent(event, webhook.format ?? DEFAULT_EVENT_FORMAT, origin())
    const { secret, timeoutMs = DEFAULT_WEBHOOK_TIMEOUT_MS } = webhook
    const signature =
      secret === undefined ? {} : { [SIGNATURE_HEADER]: signEvent(secret, Math.floor(now() / 1000), body) }
    const headers = { 'content-type': contentType, 'user-agent': 'shoal', ...signature }
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(timeoutMs)])
    const status = await post(webhook.url, headers, body, signal)
    if (status < 200 || status > 299) throw new Error(`the webhook answered ${status}`)
    return true
  }

  /** From half of the back-off to all of it, so that repositories that failed together do not come back together. */
  #delay(tries: number): number {
    const { random, webhook } = this.#init
    const max = webhook.backoffMaxMs ?? DEFAULT_WEBHOOK_BACKOFF_MAX_MS
    return Math.min(max, WEBHOOK_BACKOFF_MIN_MS * 2 ** Math.min(tries - 1, 30)) * (0.5 + random() / 2)
  }

  #drop(events: readonly Waiting[]): void {
    if (events.length === 0) return
    const { clock, logger, metrics } = this.#init
    metrics.dropped(this.name, events.length)
    this.#droppedSince += events.length
    if (clock.now() - this.#dropLoggedAt >= DROP_LOG_MS) {
      logger.warn(
        { webhook: this.name, events: this.#droppedSince },
        'events were dropped that the webhook did not take'
      )
      this.#dropLoggedAt = clock.now()
      this.#droppedSince = 0
    }
    this.#done(events.map(({ seq }) => seq))
  }

  #done(seqs: readonly number[]): void {
    for (const seq of seqs) this.#gone.add(seq)
    this.#cancelWrite ??= this.#init.clock.after(DONE_WINDOW_MS, () => void this.#writeDone())
  }

  /** What cannot be written down is sent again after a restart. Never throws. */
  async #writeDone(): Promise<void> {
    this.#cancelWrite?.()
    this.#cancelWrite = undefined
    const seqs = [...this.#gone]
    this.#gone = new Set()
    if (seqs.length === 0) return
    try {
      await this.#init.log.done(this.name, seqs)
    } catch (err) {
      this.#init.logger.warn({ err, webhook: this.name }, 'what a webhook has taken could not be written down')
    }
  }
}
