import { Readable } from 'node:stream'
import { isDigest } from '@shoal/oci'
import type { FastifyInstance } from 'fastify'
import type { Access } from '../access.ts'
import { isAdmin } from '../admin-request.ts'
import type { ContentSender } from '../content-sender.ts'
import { sendJson } from '../json.ts'
import type { MeshAddress } from '../mesh-routes.ts'
import type { MetadataSnapshot } from '../metadata.ts'
import { sendProblem } from '../problem.ts'
import { BACKUP_IDLE_MS, type Backups, MAX_BACKUPS } from './backups.ts'
import { SNAPSHOT_MEDIA_TYPE, writeSnapshot } from './snapshot-text.ts'

const BACKUPS_PATH = '/api/v1/backups'

/** What the routes of backups need. */
export interface BackupRoutesInit {
  readonly access: Access
  readonly backups: Pick<Backups, 'close' | 'has' | 'open' | 'use'>
  readonly sender: Pick<ContentSender, 'send'>
  readonly mesh: () => Pick<MeshAddress, 'peerId'>
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/**
 * For the administrator: `POST /api/v1/backups` takes a snapshot (201; 409 while there are too many),
 * `GET …/{id}/snapshot` and `GET …/{id}/blobs/{digest}` fetch it and what it names, `DELETE …/{id}` ends it. While there is
 * one, garbage is not collected.
 */
export function addBackupRoutes(app: FastifyInstance, init: BackupRoutesInit): void {
  const { access, backups } = init
  const gone = 'there is no such backup any more: begin another one with POST'
  app.post(BACKUPS_PATH, async (request, reply) => {
    if (!(await isAdmin(request, reply, access))) return
    const id = await backups.open()
    if (id === undefined) {
      return await sendProblem(reply, 409, `${MAX_BACKUPS} backups are under way: wait for the end of one`)
    }
    reply.code(201).header('location', `${BACKUPS_PATH}/${id}`)
    await sendJson(reply, 'application/json', { id, idleSeconds: BACKUP_IDLE_MS / 1000 })
  })
  app.get<{ Params: { id: string } }>(`${BACKUPS_PATH}/:id/snapshot`, async (request, reply) => {
    if (!(await isAdmin(request, reply, access))) return
    const { id } = request.params
    if (!backups.has(id)) return await sendProblem(reply, 404, gone)
    reply.header('content-type', SNAPSHOT_MEDIA_TYPE).header('cache-control', 'no-store')
    await reply.send(await snapshotStream(init, id))
  })
  app.get<{ Params: { id: string; digest: string } }>(`${BACKUPS_PATH}/:id/blobs/:digest`, async (request, reply) => {
    if (!(await isAdmin(request, reply, access))) return
    const { digest, id } = request.params
    if (!isDigest(digest)) return await sendProblem(reply, 400, 'the path ends in a digest')
    const content = { digest, mediaType: 'application/octet-stream', ranges: true }
    const isThere = await backups.use(id, async () => await init.sender.send(request, reply, content))
    if (isThere === undefined) await sendProblem(reply, 404, gone)
    if (isThere === false) await sendProblem(reply, 404, `the registry has lost the bytes of ${digest}`)
  })
  app.delete<{ Params: { id: string } }>(`${BACKUPS_PATH}/:id`, async (request, reply) => {
    if (!(await isAdmin(request, reply, access))) return
    if (!(await backups.close(request.params.id))) return await sendProblem(reply, 404, gone)
    await reply.code(204).send()
  })
}

/** The lines of a snapshot. The backup is in use until the stream is closed, read or not. */
export async function snapshotStream(
  { backups, mesh, now }: Pick<BackupRoutesInit, 'mesh' | 'now'> & { readonly backups: Pick<Backups, 'use'> },
  id: string
): Promise<Readable> {
  const opened = Promise.withResolvers<MetadataSnapshot>()
  const over = Promise.withResolvers<void>()
  const using = backups.use(id, async (snapshot) => {
    opened.resolve(snapshot)
    await over.promise
  })
  using.catch(opened.reject)
  const snapshot = await opened.promise
  const header = { takenAt: new Date(now()).toISOString(), peerId: mesh().peerId }
  // Not at the end of the lines: those of a client that has gone before the first one have none.
  return Readable.from(writeSnapshot(header, snapshot.records())).once('close', over.resolve)
}
