import { BACKUP_IDLE_MS } from '../backup/backups.ts'
import { SNAPSHOT_MEDIA_TYPE } from '../backup/snapshot-text.ts'
import { DIGEST, type Schema } from './schemas.ts'

const ADMINISTRATOR = [{ password: [] }, { token: [] }]
const ID = { name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } }
const BYTES_OF = { schema: { type: 'string', format: 'binary' } }

function problems(...statuses: readonly number[]): Schema {
  return Object.fromEntries(statuses.map((status) => [status, { $ref: `#/components/responses/${status}` }]))
}

/** Backups, for the administrator. */
export const BACKUP_PATHS: Schema = {
  '/api/v1/backups': {
    post: {
      operationId: 'beginBackup',
      summary: `Take a snapshot. It is kept, and nothing is collected, until it is ended or not asked for ${BACKUP_IDLE_MS / 1000} s.`,
      security: ADMINISTRATOR,
      responses: {
        201: {
          description: 'It is taken.',
          headers: { Location: { description: 'Its path.', schema: { type: 'string' } } },
          content: {
            'application/json': {
              schema: {
                type: 'object',
                properties: { id: { type: 'string', format: 'uuid' }, idleSeconds: { type: 'number' } },
                required: ['id', 'idleSeconds'],
                additionalProperties: false
              }
            }
          }
        },
        ...problems(401, 409)
      }
    }
  },
  '/api/v1/backups/{id}': {
    delete: {
      operationId: 'endBackup',
      summary: 'Garbage may be collected again.',
      security: ADMINISTRATOR,
      parameters: [ID],
      responses: { 204: { description: 'It is over.' }, ...problems(401, 404) }
    }
  },
  '/api/v1/backups/{id}/snapshot': {
    get: {
      operationId: 'getSnapshot',
      summary: 'All repositories with their blobs, manifests and tags at one instant, as lines of JSON.',
      security: ADMINISTRATOR,
      parameters: [ID],
      responses: {
        200: { description: 'The snapshot.', content: { [SNAPSHOT_MEDIA_TYPE]: BYTES_OF } },
        ...problems(401, 404)
      }
    }
  },
  '/api/v1/backups/{id}/blobs/{digest}': {
    get: {
      operationId: 'getBackupBlob',
      summary: 'The bytes of a blob or manifest that the snapshot names, whatever was deleted since.',
      security: ADMINISTRATOR,
      parameters: [ID, { name: 'digest', in: 'path', required: true, schema: DIGEST }],
      responses: {
        200: { description: 'The bytes.', content: { 'application/octet-stream': BYTES_OF } },
        206: { description: 'The range that was asked for.', content: { 'application/octet-stream': BYTES_OF } },
        ...problems(400, 401, 404)
      }
    }
  }
}
