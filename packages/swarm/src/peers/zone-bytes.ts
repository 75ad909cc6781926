/** Whether bytes stayed in our zone. */
export type ZoneSide = 'same' | 'other'

/** Payload bytes exchanged with peers since the process started, by whether they stayed in our zone. */
export interface ZoneTotals {
  readonly received: Readonly<Record<ZoneSide, number>>
  readonly sent: Readonly<Record<ZoneSide, number>>
}

/** Counts payload by zone, as the peers' certificates say. What went over HTTP is not in it: HTTP clients have no zone. */
export class ZoneBytes {
  readonly #received = { same: 0, other: 0 }
  readonly #sent = { same: 0, other: 0 }

  received(side: ZoneSide, bytes: number): void {
    this.#received[side] += bytes
  }

  sent(side: ZoneSide, bytes: number): void {
    this.#sent[side] += bytes
  }

  get totals(): ZoneTotals {
    return { received: { ...this.#received }, sent: { ...this.#sent } }
  }
}
