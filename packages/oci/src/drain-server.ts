import type { Server } from 'node:http'

/** How long requests under way may take when their server stops. Kubernetes gives a pod 30 s. */
const DRAIN_MS = 10_000
/** How often connections are looked at that became idle meanwhile. */
const IDLE_SWEEP_MS = 100

/** A server of a registry or a mirror; a fastify instance is one. */
export interface DrainableServer {
  readonly server: Pick<Server, 'closeAllConnections' | 'closeIdleConnections'>
  /** Takes no more connections, and resolves when those that there are have ended. */
  close(): Promise<unknown>
}

/** Stops a server and lets the pushes and pulls under way end, for `drainMs` at most; then they are cut. */
export async function drainServer(app: DrainableServer, drainMs = DRAIN_MS): Promise<void> {
  // A connection that was busy when the server closed stays open for the next request, which does not come.
  const idle = setInterval(() => app.server.closeIdleConnections(), IDLE_SWEEP_MS)
  const cut = setTimeout(() => app.server.closeAllConnections(), drainMs)
  try {
    await app.close()
  } finally {
    clearInterval(idle)
    clearTimeout(cut)
  }
}
