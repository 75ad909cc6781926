/** One sample of a metric in the Prometheus text format. */
export interface MetricSample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const SAMPLE_PATTERN = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/
const LABEL_PATTERN = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g

/** The samples of a metrics page. @throws Error on a line that is neither a comment nor a sample */
export function parseMetrics(text: string): Metrics {
  const samples: MetricSample[] = []
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const [, name, labels, value] = line.match(SAMPLE_PATTERN) ?? []
    if (name === undefined || value === undefined) throw new Error(`not a metric: ${line}`)
    samples.push({ name, labels: parseLabels(labels ?? ''), value: parseValue(value) })
  }
  return new Metrics(samples)
}

/** A metrics page, to ask for sums. */
export class Metrics {
  readonly samples: readonly MetricSample[]

  constructor(samples: readonly MetricSample[]) {
    this.samples = samples
  }

  /** The sum of all samples of a metric whose labels have these values; 0 when there is none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.samples
      .filter((sample) => sample.name === name)
      .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
      .reduce((sum, sample) => sum + sample.value, 0)
  }

  /** Whether the page has the metric at all: a misspelt name must not pass for a zero. */
  has(name: string): boolean {
    return this.samples.some((sample) => sample.name === name)
  }
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const [, name, value] of text.matchAll(LABEL_PATTERN)) {
    if (name !== undefined) labels[name] = (value ?? '').replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c))
  }
  return labels
}

function parseValue(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY
  if (text === '-Inf') return Number.NEGATIVE_INFINITY
  return Number(text)
}
