/** The links of a site, in bits per second. */
export interface FluidLinks {
  readonly seedUp: number
  /** What each node can send, and receive. */
  readonly nodeUp: number
  readonly nodeDown: number
}

/**
 * The least time in which any way of distributing can bring a blob from one seed to all nodes, in seconds: the seed has
 * to send each bit once, the slowest node has to receive all of them, and all copies have to leave from somewhere.
 * For bits that flow like water, this bound is reached (Kumar and Ross, "Peer-assisted file distribution", 2006).
 */
export function fluidBoundSeconds(blobBytes: number, nodes: number, links: FluidLinks): number {
  const bits = blobBytes * 8
  const allUp = links.seedUp + nodes * links.nodeUp
  return Math.max(bits / links.seedUp, bits / links.nodeDown, (nodes * bits) / allUp)
}
