import { PARTS_WAIT_MS } from '../proxy/fill-routes.ts'
import { DIGEST, type Schema } from './schemas.ts'

const BYTES = { type: 'integer', minimum: 0 }
const FLAG = { type: 'boolean' }

function parameter(name: string, schema: Schema, description: string): Schema {
  return { name, in: 'query', schema, description }
}

/** Blobs of upstreams, for agents. Only where there is an upstream. */
export const FILL_PATHS: Schema = {
  '/api/v1/fills/{digest}': {
    get: {
      operationId: 'getFill',
      summary:
        'Have a blob of an upstream fetched if it is not here, and learn how large it is and in which parts it arrives. Only where there is an upstream.',
      security: [{}, { password: [] }, { token: [] }],
      parameters: [
        { name: 'digest', in: 'path', required: true, schema: DIGEST },
        parameter('repository', { type: 'string' }, 'As it is called here: docker.io/library/app.'),
        parameter(
          'sharing',
          { type: 'string' },
          `Asks for parts under this name, and waits ${PARTS_WAIT_MS} ms for new ones.`
        ),
        parameter('after', BYTES, 'Parts that are known already.'),
        parameter('asker', { type: 'string' }, 'Who asks: no parts are made as long as one alone does.')
      ],
      responses: {
        200: {
          description: 'What is known of it.',
          content: {
            'application/json': {
              schema: {
                type: 'object',
                properties: {
                  size: BYTES,
                  sharing: {
                    type: 'string',
                    description:
                      'Under which name its parts are to be had; missing when it is whole, but for ten seconds after the last part was made.'
                  },
                  parts: {
                    type: 'array',
                    items: { type: 'object', properties: { digest: DIGEST, size: BYTES }, required: ['digest', 'size'] }
                  },
                  over: FLAG,
                  alone: { ...FLAG, description: 'Whether one alone asks for it: it reads the blob itself.' }
                },
                required: ['size', 'parts', 'over'],
                additionalProperties: false
              }
            }
          }
        },
        400: { $ref: '#/components/responses/400' },
        401: { $ref: '#/components/responses/401' },
        404: { $ref: '#/components/responses/404' }
      }
    }
  }
}
