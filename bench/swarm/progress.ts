import { secondsLeft } from './estimate.ts'
import type { Step } from './run-plan.ts'

const SECONDS_PER_MINUTE = 60

/** Tells how far a run is. */
export class Progress {
  readonly #steps: readonly Step[]
  readonly #startedAt = performance.now()
  #index = 0
  #estimated = 0

  constructor(steps: readonly Step[]) {
    this.#steps = steps
  }

  start(step: Step): void {
    const took = (performance.now() - this.#startedAt) / 1000
    const rest = this.#steps.slice(this.#index).reduce((sum, each) => sum + each.estimateSeconds, 0)
    const left = secondsLeft({ estimated: this.#estimated, took }, rest)
    const times = `${formatDuration(took)} gone, about ${formatDuration(left)} left`
    console.log(`[${this.#index + 1}/${this.#steps.length}] ${step.name}  (${times})`)
  }

  done(step: Step): void {
    this.#index++
    this.#estimated += step.estimateSeconds
  }
}

/** `4 m 05 s`. */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds)
  const minutes = Math.floor(whole / SECONDS_PER_MINUTE)
  const rest = whole % SECONDS_PER_MINUTE
  return minutes === 0 ? `${rest} s` : `${minutes} m ${String(rest).padStart(2, '0')} s`
}
