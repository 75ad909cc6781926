import { createHmac } from 'node:crypto'
import type { RegistryEvent } from './event.ts'
import type { EventFormat } from './webhook.ts'

/** Names the registry in events. */
export interface EventOrigin {
  /** `host:port` where it listens. */
  readonly addr: string
  readonly instanceId: string
}

/** What is sent. */
export interface EventMessage {
  readonly contentType: string
  readonly body: Buffer
}

/** Over the time and the body: `t=<seconds since 1970>,v1=<HMAC-SHA256 of "<t>.<body>" with the secret, hex>`. */
export const SIGNATURE_HEADER = 'shoal-signature'

const CONTENT_TYPES: Readonly<Record<EventFormat, string>> = {
  'docker-v1': 'application/vnd.docker.distribution.events.v1+json',
  'docker-v2': 'application/vnd.docker.distribution.events.v2+json',
  cloudevents: 'application/cloudevents+json; charset=utf-8'
}

/**
 * Write an event: as the envelope of the docker-distribution notifications with one event, or as a CloudEvent 1.0 in
 * structured mode (CloudEvents HTTP binding, 3.2).
 */
export function formatEvent(event: RegistryEvent, format: EventFormat, origin: EventOrigin): EventMessage {
  const notification = dockerEvent(event, origin)
  const document = format === 'cloudevents' ? cloudEvent(event, notification, origin) : { events: [notification] }
  return { contentType: CONTENT_TYPES[format], body: Buffer.from(JSON.stringify(document)) }
}

/** The value of the signature header. @param seconds since 1970 */
export function signEvent(secret: string, seconds: number, body: Uint8Array): string {
  const mac = createHmac('sha256', secret).update(`${seconds}.`).update(body).digest('hex')
  return `t=${seconds},v1=${mac}`
}

function dockerEvent(event: RegistryEvent, { addr, instanceId }: EventOrigin): Record<string, unknown> {
  const { action, actor = '', at, count, detail, digest, fromRepository, id, kind, mediaType, repository } = event
  const { request, size, tag } = event
  const target = {
    ...(mediaType === undefined ? {} : { mediaType }),
    ...(digest === undefined ? {} : { digest }),
    ...(size === undefined ? {} : { size, length: size }),
    ...(repository === '' ? {} : { repository }),
    ...(fromRepository === undefined ? {} : { fromRepository }),
    ...(action === 'delete' || digest === undefined || request === undefined
      ? {}
      : { url: `http://${request.host}/v2/${repository}/${kind === 'blob' ? 'blobs' : 'manifests'}/${digest}` }),
    ...(tag === undefined ? {} : { tag })
  }
  return {
    id,
    timestamp: new Date(at).toISOString(),
    action,
    target,
    request: request ?? {},
    actor: actor === '' ? {} : { name: actor },
    source: { addr, instanceID: instanceId },
    // Not of docker-distribution; readers of JSON pass over what they do not know.
    ...(count === undefined ? {} : { count }),
    ...(detail === undefined ? {} : { detail })
  }
}

function cloudEvent(event: RegistryEvent, data: object, { instanceId }: EventOrigin): Record<string, unknown> {
  const { action, at, digest, id, kind, repository, tag } = event
  const subject = tag !== undefined ? `${repository}:${tag}` : digest !== undefined ? `${repository}@${digest}` : ''
  return {
    specversion: '1.0',
    id,
    source: `urn:shoal:registry:${instanceId}`,
    type: `shoal.${kind}.${action}`,
    time: new Date(at).toISOString(),
    ...(subject === '' ? {} : { subject }),
    datacontenttype: 'application/json',
    data
  }
}
