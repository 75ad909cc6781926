const STEP = 1000
const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

/** Bytes for people, in decimal units: `126.6 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  // 999.95 would be shown as 1000.0, so it takes the next unit already.
  while (value >= STEP - 0.05 && unit < BYTE_UNITS.length - 1) {
    value /= STEP
    unit++
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${BYTE_UNITS[unit]}`
}

/** Bytes per second for people: `84.2 MB/s`. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`
}

/** A share from 0 to 1 as whole percent. All of it only when it is all of it. */
export function formatShare(share: number): string {
  const percent = Math.min(100, Math.max(0, share * 100))
  return `${percent < 100 ? Math.min(99, Math.round(percent)) : 100}%`
}

/** A time span for people: `0.4 s`, `12.3 s`, `3m 05s`, `2h 07m`, `4d 3h`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  const [minutes, hours, days] = [Math.floor(whole / 60), Math.floor(whole / 3600), Math.floor(whole / 86400)]
  if (hours === 0) return `${minutes}m ${two(whole % 60)}s`
  return days === 0 ? `${hours}h ${two(minutes % 60)}m` : `${days}d ${hours % 24}h`
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}
