/**
 * Share of an agent's peers that are taken from its own zone where there are enough; the others are from anywhere, so that every zone
 * stays tied to the others and none starves when its own members have nothing.
 */
export const NEAR_SHARE = 0.6

/**
 * Up to `count` of `items`, in the order given: {@link NEAR_SHARE} of them near, the rest of the others; where one kind is short, more of the
 * other. Pure. With everything near it is the first `count`.
 */
export function mixZones<T>(items: readonly T[], count: number, isNear: (item: T) => boolean): T[] {
  const near = items.filter(isNear)
  const others = items.filter((item) => !isNear(item))
  const wantedNear = Math.max(Math.ceil(count * NEAR_SHARE), count - others.length)
  const chosen = new Set([...near.slice(0, wantedNear), ...others.slice(0, count - Math.min(wantedNear, near.length))])
  return items.filter((item) => chosen.has(item)).slice(0, count)
}
