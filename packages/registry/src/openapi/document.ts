import { ARTIFACTS_PAGE_MAX, REPOSITORIES_PAGE_MAX } from '../artifacts/artifact-routes.ts'
import { EVENT_ACTIONS } from '../events/event.ts'
import { EVENTS_PAGE_MAX } from '../events/event-routes.ts'
import { BLOB_SIZE_HEADER, CHUNK_MAP_MEDIA_TYPE } from '../mesh-routes.ts'
import { BACKUP_PATHS } from './backup-paths.ts'
import { FILL_PATHS } from './fill-paths.ts'
import { DIGEST, SCHEMAS, type Schema } from './schemas.ts'

/** Grows with what the API can do; a path keeps its meaning. */
const API_VERSION = '1.0.0'

const NAME = {
  name: 'name',
  in: 'path',
  required: true,
  description: 'Repository. Its slashes may stand as they are, or as %2F.',
  schema: { type: 'string', examples: ['team/app'] }
}
const DIGEST_PARAMETER = { name: 'digest', in: 'path', required: true, schema: DIGEST }

/** The parameters of a list in pages. */
function paging(max: number, last: Schema): Schema[] {
  return [
    {
      name: 'n',
      in: 'query',
      description: 'Most entries wanted.',
      schema: { type: 'integer', minimum: 0, maximum: max, default: max }
    },
    { name: 'last', in: 'query', description: 'The entry behind which the page begins.', schema: last }
  ]
}

function answer(schema: string, description: string, headers: Schema = {}): Schema {
  return {
    description,
    headers,
    content: { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } }
  }
}

const NEXT_PAGE = {
  Link: { description: 'Where the list goes on, rel="next" (RFC 8288).', schema: { type: 'string' } }
}

/** References to the answers for what went wrong. */
function problems(...statuses: readonly (400 | 401 | 404 | 409 | 413)[]): Schema {
  return Object.fromEntries(statuses.map((status) => [status, { $ref: `#/components/responses/${status}` }]))
}

function problem(description: string): Schema {
  return { description, content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } }
}

const ADMINISTRATOR = [{ password: [] }, { token: [] }]
const TOKEN_OR_PASSWORD = [{}, { password: [] }, { token: [] }]

/** The description of `/api/v1` (OpenAPI 3.1). `/v2/` is described by the OCI distribution specification. */
export const OPENAPI_DOCUMENT: Schema = {
  openapi: '3.1.0',
  info: {
    title: 'Shoal registry',
    version: API_VERSION,
    description: 'What is in the registry, and how agents reach the mesh. Images are pushed and pulled under /v2/.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' }
  },
  servers: [{ url: '/' }],
  paths: {
    '/api/v1/openapi.json': {
      get: {
        operationId: 'getOpenApiDocument',
        summary: 'This document.',
        security: [],
        responses: {
          200: { description: 'OpenAPI 3.1', content: { 'application/json': { schema: { type: 'object' } } } }
        }
      }
    },
    '/api/v1/mesh': {
      get: {
        operationId: 'getMesh',
        summary: "The registry's identity and addresses in the mesh.",
        security: [],
        responses: { 200: answer('Mesh', 'How to reach it.') }
      }
    },
    '/api/v1/chunk-maps/{digest}': {
      get: {
        operationId: 'getChunkMap',
        summary: 'The signed chunk map of a blob.',
        security: TOKEN_OR_PASSWORD,
        parameters: [DIGEST_PARAMETER],
        responses: {
          200: {
            description: 'Each segment with its length before it (u32, big endian); nothing for a blob of one chunk.',
            headers: { [BLOB_SIZE_HEADER]: { description: 'Bytes of the blob.', schema: { type: 'integer' } } },
            content: { [CHUNK_MAP_MEDIA_TYPE]: {} }
          },
          ...problems(400, 401, 404)
        }
      }
    },
    '/api/v1/gc': {
      get: {
        operationId: 'getCollection',
        summary: 'The collection of garbage that is under way, or the last one.',
        security: ADMINISTRATOR,
        responses: { 200: answer('Collection', 'How far it is, or what it did.'), ...problems(401, 404) }
      },
      post: {
        operationId: 'startCollection',
        summary: 'Begin to collect garbage.',
        security: ADMINISTRATOR,
        requestBody: {
          content: { 'application/json': { schema: { $ref: '#/components/schemas/CollectionRequest' } } }
        },
        responses: { 202: answer('Collection', 'It is under way.'), ...problems(400, 401, 409, 413) }
      },
      delete: {
        operationId: 'cancelCollection',
        summary: 'End the collection that is under way.',
        security: ADMINISTRATOR,
        responses: { 200: answer('Collection', 'What it did until then.'), ...problems(401, 404) }
      }
    },
    '/api/v1/events': {
      get: {
        operationId: 'listEvents',
        summary: 'The events that are kept, the oldest first, and how the webhooks stand.',
        security: ADMINISTRATOR,
        parameters: [
          ...paging(EVENTS_PAGE_MAX, { type: 'integer', minimum: 0 }),
          { name: 'repository', in: 'query', description: 'Only of this repository.', schema: { type: 'string' } },
          {
            name: 'action',
            in: 'query',
            description: 'Only of this kind.',
            schema: { type: 'string', enum: EVENT_ACTIONS }
          }
        ],
        responses: { 200: answer('Events', 'A page of them.', NEXT_PAGE), ...problems(400, 401) }
      }
    },
    '/api/v1/events/replay': {
      post: {
        operationId: 'replayEvents',
        summary: 'Send kept events again, behind those that wait.',
        security: ADMINISTRATOR,
        requestBody: {
          content: { 'application/json': { schema: { $ref: '#/components/schemas/ReplayRequest' } } }
        },
        responses: { 202: answer('Replayed', 'They wait.'), ...problems(400, 401, 404, 413) }
      }
    },
    '/api/v1/read-only': {
      get: {
        operationId: 'getReadOnly',
        summary: 'Whether pushes and deletes are refused.',
        security: ADMINISTRATOR,
        responses: { 200: answer('ReadOnly', 'The mode.'), ...problems(401) }
      },
      put: {
        operationId: 'setReadOnly',
        summary: 'Refuse pushes and deletes, or take them again. Holds after a restart.',
        security: ADMINISTRATOR,
        requestBody: {
          content: { 'application/json': { schema: { $ref: '#/components/schemas/ReadOnlyRequest' } } }
        },
        responses: { 200: answer('ReadOnly', 'The mode from now on.'), ...problems(400, 401, 409, 413) }
      }
    },
    ...BACKUP_PATHS,
    ...FILL_PATHS,
    '/api/v1/repositories': {
      get: {
        operationId: 'listRepositories',
        summary: 'All repositories, sorted by name.',
        security: TOKEN_OR_PASSWORD,
        parameters: paging(REPOSITORIES_PAGE_MAX, { type: 'string' }),
        responses: { 200: answer('Repositories', 'A page of them.', NEXT_PAGE), ...problems(400, 401) }
      }
    },
    '/api/v1/repositories/{name}/artifacts': {
      get: {
        operationId: 'listArtifacts',
        summary: 'What is in a repository, sorted by digest: images, indexes, charts, signatures and everything else.',
        security: TOKEN_OR_PASSWORD,
        parameters: [NAME, ...paging(ARTIFACTS_PAGE_MAX, DIGEST)],
        responses: { 200: answer('Artifacts', 'A page of them.', NEXT_PAGE), ...problems(400, 401, 404) }
      }
    },
    '/api/v1/repositories/{name}/artifacts/{digest}': {
      get: {
        operationId: 'getArtifact',
        summary: 'One artifact with all that it is made of.',
        security: TOKEN_OR_PASSWORD,
        parameters: [NAME, DIGEST_PARAMETER],
        responses: { 200: answer('ArtifactDetail', 'The artifact.'), ...problems(400, 401, 404) }
      }
    }
  },
  components: {
    schemas: SCHEMAS,
    responses: {
      400: problem('The request is malformed.'),
      401: problem('Callers without credentials may not pull here, or the credentials are wrong.'),
      404: problem('There is no such thing.'),
      409: problem('It cannot be done now: there is one under way, or the registry is read-only.'),
      413: problem('The body is too long.')
    },
    securitySchemes: {
      password: { type: 'http', scheme: 'basic' },
      token: { type: 'http', scheme: 'bearer', description: 'From GET /token.' }
    }
  }
}
