import type { Digest } from '@shoal/oci'
import type { FastifyRequest } from 'fastify'
import { type Access, ADMIN_USER } from '../access.ts'
import type { EventAction, EventRequest, NewEvent } from './event.ts'
import type { Events } from './events.ts'

/** What an event is about. */
export type EventTarget = Pick<
  NewEvent,
  'digest' | 'fromRepository' | 'kind' | 'mediaType' | 'repository' | 'size' | 'tag'
>

const NONE: readonly NewEvent[] = []
/** Longest text of a client's that is kept. */
const TEXT_MAX = 256

/** Makes events of requests. */
export class EventSource {
  readonly #events: Pick<Events, 'emit' | 'wants'>
  readonly #access: Pick<Access, 'role'>

  constructor(events: Pick<Events, 'emit' | 'wants'>, access: Pick<Access, 'role'>) {
    this.#events = events
    this.#access = access
  }

  /** Events to be written with what they tell of; none when nobody wants them. */
  of(request: FastifyRequest, action: EventAction, targets: readonly EventTarget[]): readonly NewEvent[] {
    if (!this.#events.wants(action)) return NONE
    return targets.map((target) => this.#event(request, action, target))
  }

  pushed(request: FastifyRequest, repository: string, digest: Digest, size: number): readonly NewEvent[] {
    const mediaType = 'application/octet-stream'
    return this.of(request, 'push', [{ kind: 'blob', repository, digest, size, mediaType }])
  }

  pulled(request: FastifyRequest, target: EventTarget): void {
    if (request.method === 'GET' && this.#events.wants('pull')) this.#events.emit(this.#event(request, 'pull', target))
  }

  #event(request: FastifyRequest, action: EventAction, target: EventTarget): NewEvent {
    const { authorization } = request.headers
    const actor = this.#access.role(authorization) === 'admin' ? ADMIN_USER : ''
    return { action, ...target, request: describe(request), actor }
  }
}

function describe({ headers, id, method, socket }: FastifyRequest): EventRequest {
  const { remoteAddress = '', remotePort = 0 } = socket
  const host = remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress
  return {
    id,
    addr: `${host}:${remotePort}`,
    host: (headers.host ?? '').slice(0, TEXT_MAX),
    method,
    useragent: (headers['user-agent'] ?? '').slice(0, TEXT_MAX)
  }
}
