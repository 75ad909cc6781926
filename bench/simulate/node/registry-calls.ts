import type { Fallback } from '@shoal/swarm'
import { Flow } from '../network/flow.ts'
import type { SimNode } from './sim-node.ts'
import type { SimRegistry } from './sim-registry.ts'

/** Headers of an HTTP request or answer. */
const HTTP_HEADER_BYTES = 400
/** Opening a stream for one message: protocol names both ways. */
const STREAM_BYTES = 64
/** What stands for all payload over HTTP. */
const NO_BYTES = Buffer.alloc(4 * 1024 * 1024)

/** What an agent asks of the registry beside the exchange: the rendezvous, and ranges over HTTP. */
export class RegistryCalls {
  readonly #registry: SimRegistry

  constructor(registry: SimRegistry) {
    this.#registry = registry
  }

  /** Asks the rendezvous; undefined when there is no link to ask over. */
  rendezvous(from: SimNode, message: Uint8Array): Promise<Uint8Array> | undefined {
    const registry = this.#registry
    if (!registry.alive || !from.exchange.isLinked(registry.peerId)) return undefined
    const request = () => registry.rendezvous.answer(from.peerId, message)
    return this.#call(from, 'rendezvous', STREAM_BYTES + message.length, request, (answer) => answer.length)
  }

  /** What the registry serves over HTTP. */
  fallback(from: () => SimNode): Fallback {
    const registry = this.#registry
    return {
      chunkMap: async (digest) => {
        const answer = () => {
          const signed = registry.store.blob(digest)?.signed
          return signed && { size: signed.map.size, segments: signed.segments }
        }
        const size = (map: ReturnType<typeof answer>) =>
          HTTP_HEADER_BYTES + (map?.segments.reduce((sum, { length }) => sum + length, 0) ?? 0)
        return await this.#call(from(), 'http', HTTP_HEADER_BYTES, answer, size)
      },
      read: async (digest, range) => {
        const known = () => registry.store.blob(digest)?.complete === true
        const found = await this.#call(from(), 'http', HTTP_HEADER_BYTES, known, () => HTTP_HEADER_BYTES)
        return found ? this.#body(from(), range.end - range.start) : undefined
      }
    }
  }

  /** Bytes over a connection of its own. They are right, and all the same. */
  async *#body(to: SimNode, length: number): AsyncGenerator<Uint8Array> {
    const registry = this.#registry
    const { network, host } = registry.end
    const arrived: number[] = []
    let wake = Promise.withResolvers<void>()
    const flow = new Flow(network, host, to.end.host, (piece) => {
      to.counts.payloadBytes += piece.length
      arrived.push(piece.length)
      wake.resolve()
    })
    registry.bodies.add(flow)
    try {
      flow.send({ channel: 0, index: 0, length, offset: 0, handedOver: () => undefined })
      for (let left = length; left > 0; ) {
        await wake.promise
        wake = Promise.withResolvers<void>()
        for (const bytes of arrived.splice(0)) {
          left -= bytes
          for (let at = 0; at < bytes; at += NO_BYTES.length) {
            yield NO_BYTES.subarray(0, Math.min(NO_BYTES.length, bytes - at))
          }
        }
        if (!registry.alive) throw new Error('the registry is gone')
      }
    } finally {
      flow.close()
      registry.bodies.delete(flow)
    }
  }

  /** A question and its answer, each as late as the network makes it. */
  #call<T>(from: SimNode, type: string, bytes: number, ask: () => T, answerBytes: (answer: T) => number): Promise<T> {
    const registry = this.#registry
    const { network, host } = from.end
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const refused = () => reject(new Error('the registry cannot be reached'))
    from.counts.sent(type, bytes)
    const onRequest = () => {
      if (!registry.alive) {
        refused()
        return
      }
      const answer = ask()
      const length = answerBytes(answer)
      registry.counts.sent(type, length)
      network.message(registry.end.host, host, length, { settles: true, fire: () => resolve(answer) })
    }
    network.message(host, registry.end.host, bytes, { settles: true, fire: onRequest })
    return promise
  }
}
