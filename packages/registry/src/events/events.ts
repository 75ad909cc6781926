import type { Clock, Logger } from '@shoal/swarm'
import type { QueueBounds } from './delivery-queue.ts'
import type { EventAction, NewEvent, RegistryEvent } from './event.ts'
import type { EventLog } from './event-log.ts'
import type { EventMetrics } from './event-metrics.ts'
import type { EventOrigin } from './format.ts'
import { PullEvents } from './pull-events.ts'
import { type Webhook, webhookFilter } from './webhook.ts'
import type { WebhookClient } from './webhook-client.ts'
import { WebhookSender } from './webhook-sender.ts'

/** Waiting events of one webhook; more than that, and the oldest are dropped. */
export const WEBHOOK_QUEUE: QueueBounds = { events: 100_000, bytes: 128 * 1024 * 1024 }
/** Events that nobody waits for are kept for replay: so many, and so long. */
export const EVENTS_KEPT_MAX = 10_000
export const EVENT_AGE_MAX_MS = 7 * 86_400_000
/** How often what is too old or too much is removed. */
export const EVENT_SWEEP_MS = 60_000
/** What is removed in one write. */
const REMOVE_BATCH = 1000

/** What events are made with. */
export interface EventsInit {
  readonly log: EventLog
  readonly webhooks: readonly Webhook[]
  readonly client: Pick<WebhookClient, 'close' | 'post'>
  readonly origin: () => EventOrigin
  readonly clock: Clock
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** From 0 to 1. */
  readonly random: () => number
  readonly logger: Logger
  readonly metrics: EventMetrics
  /** @default WEBHOOK_QUEUE */
  readonly bounds?: QueueBounds
  /** @default EVENTS_KEPT_MAX */
  readonly keptMax?: number
}

/** Which of the kept events are to be sent again. */
export interface Replay {
  /** @default every webhook */
  readonly webhook?: string | undefined
  /** Only events with a greater place. @default 0 */
  readonly after?: number | undefined
  /** Only events up to this place. @default the last */
  readonly upTo?: number | undefined
  /** @default every repository */
  readonly repository?: string | undefined
}

/** Keeps what happens, as far as a webhook wants to hear of it, and sends it. Without webhooks it does nothing. */
export class Events {
  readonly #init: EventsInit
  readonly #filters: ReadonlyMap<string, ReturnType<typeof webhookFilter>>
  readonly #senders: ReadonlyMap<string, WebhookSender>
  readonly #pulls: PullEvents
  #end: (() => void) | undefined
  #sweeping: Promise<void> | undefined

  constructor(init: EventsInit) {
    this.#init = init
    const { bounds = WEBHOOK_QUEUE, clock, log, logger, webhooks } = init
    this.#filters = new Map(webhooks.map((webhook) => [webhook.name, webhookFilter(webhook)]))
    this.#senders = new Map(
      webhooks.map((webhook) => [
        webhook.name,
        new WebhookSender({ ...init, post: init.client.post, webhook, bounds, ageMaxMs: EVENT_AGE_MAX_MS })
      ])
    )
    this.#pulls = new PullEvents({
      clock,
      write: async (events) => await log.write([], events, { sync: false }),
      onLost: (events, err) => {
        for (const [name, filter] of this.#filters) if (filter.wantsAction('pull')) init.metrics.dropped(name, events)
        logger.warn({ err, events }, 'pull events were lost')
      }
    })
  }

  /** How each webhook stands. */
  get webhooks(): readonly WebhookSender['status'][] {
    return [...this.#senders.values()].map((sender) => sender.status)
  }

  /** Go on with what waits from before. To be called before anything is written. */
  async start(): Promise<void> {
    const { clock, log, logger, now } = this.#init
    const waiting = await log.open({
      now,
      receivers: (event) => {
        const names = [...this.#filters].filter(([, filter]) => filter.wants(event)).map(([name]) => name)
        return names.length === 0 ? undefined : names
      },
      appended: (event, receivers) => {
        for (const name of receivers) this.#senders.get(name)?.add([event])
      }
    })
    for (const [name, list] of waiting) {
      const sender = this.#senders.get(name)
      if (sender !== undefined) sender.add(list)
      else {
        logger.warn(
          { webhook: name, events: list.length },
          'events of a webhook that is not configured any more are dropped'
        )
        for (let at = 0; at < list.length; at += REMOVE_BATCH) {
          await log.done(
            name,
            list.slice(at, at + REMOVE_BATCH).map(({ seq }) => seq)
          )
        }
      }
    }
    if (this.#senders.size > 0) this.#end = clock.every(EVENT_SWEEP_MS, () => void this.sweep())
  }

  /** Whether any webhook may want such events: what is needed to tell of them has to be found out only then. */
  wants(action: EventAction): boolean {
    for (const filter of this.#filters.values()) if (filter.wantsAction(action)) return true
    return false
  }

  /**
   * Keep an event that does not come with a change of the metadata, such as `proxy-fill` and `gc`. It is durable within
   * the next synced write. Never throws: what cannot be kept is logged.
   */
  emit(event: NewEvent): void {
    if (!this.wants(event.action)) return
    if (event.action === 'pull') {
      this.#pulls.note(event)
      return
    }
    const { log, logger } = this.#init
    void log.write([], [event], { sync: false }).catch((err: unknown) => logger.warn({ err }, 'an event was lost'))
  }

  /** Kept events from behind a place on. */
  list(after: number): AsyncIterable<RegistryEvent> {
    return this.#init.log.after(after)
  }

  /**
   * Send kept events again, behind what waits. Those that a webhook's filter does not let through are not sent to it.
   *
   * @returns how many
   */
  async replay({ after = 0, repository, upTo = Number.MAX_SAFE_INTEGER, webhook }: Replay): Promise<number> {
    const { log } = this.#init
    let count = 0
    for await (const event of log.after(after)) {
      if (event.seq > upTo) break
      if (repository !== undefined && event.repository !== repository) continue
      for (const [name, sender] of this.#senders) {
        if (webhook !== undefined && name !== webhook) continue
        if (sender.has(event.seq) || this.#filters.get(name)?.wants(event) !== true) continue
        const { at, seq } = event
        const waiting = { seq, repository: event.repository, bytes: JSON.stringify(event).length, at }
        sender.retake(seq)
        await log.again(name, waiting)
        sender.add([waiting])
        count++
      }
    }
    return count
  }

  /** Remove what is too old or too much. Never throws. */
  async sweep(): Promise<void> {
    this.#sweeping ??= this.#sweep().finally(() => {
      this.#sweeping = undefined
    })
    await this.#sweeping
  }

  /** Write down what was gathered, and leave what waits to the next start. To be called when nothing is written any more. */
  async stop(): Promise<void> {
    this.#end?.()
    await this.#pulls.flush()
    await this.#sweeping
    await Promise.all([...this.#senders.values()].map(async (sender) => await sender.stop()))
    await this.#init.client.close()
  }

  async #sweep(): Promise<void> {
    const { keptMax = EVENTS_KEPT_MAX, log, logger, now } = this.#init
    const senders = [...this.#senders.values()]
    for (const sender of senders) sender.expire()
    try {
      const free: number[] = []
      for await (const seq of log.places()) if (!senders.some((sender) => sender.has(seq))) free.push(seq)
      const tooMany = Math.max(0, free.length - keptMax)
      let end = tooMany
      // From the oldest on, until the first that is young enough.
      for (let seq = free[end]; seq !== undefined; seq = free[++end]) {
        const event = await log.get(seq)
        if (event !== undefined && now() - event.at <= EVENT_AGE_MAX_MS) break
      }
      for (let at = 0; at < end; at += REMOVE_BATCH) await log.remove(free.slice(at, Math.min(end, at + REMOVE_BATCH)))
    } catch (err) {
      logger.warn({ err }, 'old events could not be removed')
    }
  }
}
