/** The value below or at which `percent` of the samples lie, by nearest rank. @throws RangeError when there are none */
export function percentile(samples: readonly number[], percent: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  const value = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]
  if (value === undefined) throw new RangeError('no samples to take a percentile of')
  return value
}

/** The mean of the samples. @throws RangeError when there are none */
export function mean(samples: readonly number[]): number {
  if (samples.length === 0) throw new RangeError('no samples to take the mean of')
  return samples.reduce((sum, sample) => sum + sample, 0) / samples.length
}
