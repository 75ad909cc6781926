import { randomUUID } from 'node:crypto'
import type { Database, Table, TableWrite } from '@shoal/content'
import type { NewEvent, RegistryEvent } from './event.ts'

/** Digits of a place in a key, so that keys sort as numbers do. */
const SEQ_DIGITS = 16

/** An event that waits for a webhook. */
export interface Waiting {
  readonly seq: number
  readonly repository: string
  /** Of the event as it is kept. */
  readonly bytes: number
  /** Milliseconds since 1970. */
  readonly at: number
}

/** Hears of what is kept. */
export interface EventLogOwner {
  /** The names of the webhooks that get this event; undefined when it is not to be kept at all. */
  readonly receivers: (event: NewEvent) => readonly string[] | undefined
  /** These are on disk now, or, without `sync`, will be soon. */
  readonly appended: (event: Waiting, receivers: readonly string[]) => void
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/**
 * Events in the database of the metadata, and which webhook has still to get them. An event is written in the same batch as
 * what it tells of: after a crash either both are there or neither (docs/decisions/events.md).
 */
export class EventLog {
  readonly #database: Database
  readonly #events: Table<RegistryEvent>
  /** `webhook:seq`. */
  readonly #waiting: Table<Waiting>
  #owner: EventLogOwner | undefined
  #last = 0

  constructor(database: Database) {
    this.#database = database
    this.#events = database.table('events', 'json')
    this.#waiting = database.table('events-waiting', 'json')
  }

  /** Begin to keep events. @returns what waits for each webhook, in order */
  async open(owner: EventLogOwner): Promise<Map<string, Waiting[]>> {
    const waiting = new Map<string, Waiting[]>()
    for await (const [key, value] of this.#waiting.entries()) {
      const name = key.slice(0, key.indexOf(':'))
      const list = waiting.get(name) ?? []
      waiting.set(name, list)
      list.push(value)
      this.#last = Math.max(this.#last, value.seq)
    }
    for await (const key of this.#events.keys()) this.#last = Math.max(this.#last, Number(key))
    this.#owner = owner
    return waiting
  }

  /** Make these changes and keep these events, all or none. */
  async write(writes: readonly TableWrite[], events: readonly NewEvent[], options: { sync: boolean }): Promise<void> {
    const owner = this.#owner
    const kept: { waiting: Waiting; receivers: readonly string[] }[] = []
    const all = [...writes]
    for (const event of events) {
      const receivers = owner?.receivers(event)
      if (owner === undefined || receivers === undefined) continue
      // Taken in the order in which the batches are written.
      const seq = ++this.#last
      const record: RegistryEvent = { seq, id: randomUUID(), at: owner.now(), ...event }
      const waiting = { seq, repository: event.repository, bytes: JSON.stringify(record).length, at: record.at }
      all.push(this.#events.put(keyOf(seq), record))
      for (const name of receivers) all.push(this.#waiting.put(`${name}:${keyOf(seq)}`, waiting))
      kept.push({ waiting, receivers })
    }
    await this.#database.write(all, options)
    for (const { receivers, waiting } of kept) owner?.appended(waiting, receivers)
  }

  async get(seq: number): Promise<RegistryEvent | undefined> {
    return await this.#events.get(keyOf(seq))
  }

  /** Those from behind a place on. */
  async *after(seq: number): AsyncGenerator<RegistryEvent, void, void> {
    for await (const [, event] of this.#events.entries({ gt: keyOf(seq) })) yield event
  }

  /** The places of all, the oldest first. */
  async *places(): AsyncGenerator<number, void, void> {
    for await (const key of this.#events.keys()) yield Number(key)
  }

  /** These do not wait for this webhook any more. Not synced: after a power cut they may be sent again. */
  async done(webhook: string, seqs: readonly number[]): Promise<void> {
    await this.#database.write(seqs.map((seq) => this.#waiting.del(`${webhook}:${keyOf(seq)}`)))
  }

  /** This waits for the webhook, again. */
  async again(webhook: string, waiting: Waiting): Promise<void> {
    await this.#database.write([this.#waiting.put(`${webhook}:${keyOf(waiting.seq)}`, waiting)], { sync: true })
  }

  async remove(seqs: readonly number[]): Promise<void> {
    await this.#database.write(seqs.map((seq) => this.#events.del(keyOf(seq))))
  }
}

function keyOf(seq: number): string {
  return String(seq).padStart(SEQ_DIGITS, '0')
}
