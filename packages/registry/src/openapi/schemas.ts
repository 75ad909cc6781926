import { ARTIFACT_REFERRERS_MAX, ARTIFACT_TAGS_MAX } from '../artifacts/artifact-view.ts'
import { EVENT_ACTIONS } from '../events/event.ts'
import { REMOVALS_MAX } from '../gc/state.ts'
import { REASON_MAX } from '../read-only/read-only.ts'

/** A part of an OpenAPI document (JSON Schema 2020-12). */
export type Schema = Readonly<Record<string, unknown>>

const TEXT = { type: 'string' }
const BYTES = { type: 'integer', minimum: 0 }
const ANNOTATIONS = { type: 'object', additionalProperties: TEXT }
const TIME = { type: 'string', format: 'date-time' }
const PLATFORM = { $ref: '#/components/schemas/Platform' }

export const DIGEST: Schema = {
  type: 'string',
  pattern: '^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$',
  examples: [`sha256:${'0'.repeat(64)}`]
}

/** An object that has these properties and no others. */
function exactly(properties: Record<string, Schema>, optional: readonly string[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name))
  return { type: 'object', properties, required, additionalProperties: false }
}

function listOf(items: Schema, rest: Schema = {}): Schema {
  return { type: 'array', items, ...rest }
}

const ARTIFACT: Record<string, Schema> = {
  digest: DIGEST,
  mediaType: { ...TEXT, description: 'Of its manifest.' },
  type: {
    ...TEXT,
    description:
      'What kind of thing it is: its artifactType; else the word in the media type of its config, application/vnd.<org>.<type>.config…, such as image or helm; else that media type. An index without artifactType is what its manifests are, or index where they differ.'
  },
  platforms: listOf(PLATFORM),
  size: { ...BYTES, description: 'Bytes of its manifest and all that it references, each blob once.' },
  tags: listOf(TEXT, { maxItems: ARTIFACT_TAGS_MAX }),
  referrers: listOf(exactly({ digest: DIGEST, mediaType: TEXT, artifactType: TEXT, size: BYTES }, ['artifactType']), {
    maxItems: ARTIFACT_REFERRERS_MAX,
    description: 'Signatures, SBOMs and the like; /v2/{name}/referrers/{digest} has all of them.'
  }),
  annotations: ANNOTATIONS,
  subject: { ...DIGEST, description: 'What it refers to.' },
  pushedAt: TIME,
  pulledAt: { type: ['string', 'null'], format: 'date-time', description: 'To the minute after a restart.' }
}

const PART: Record<string, Schema> = {
  mediaType: TEXT,
  digest: DIGEST,
  size: BYTES,
  urls: listOf(TEXT),
  annotations: ANNOTATIONS,
  platform: PLATFORM,
  artifactType: TEXT,
  present: { type: 'boolean', description: 'Whether the repository has it.' }
}

const FLAG = { type: 'boolean', default: false }
const COUNT = { type: 'integer', minimum: 0 }

const COLLECTION: Record<string, Schema> = {
  id: TEXT,
  status: { enum: ['running', 'done', 'cancelled', 'failed'] },
  dryRun: { type: 'boolean', description: 'Nothing is removed, only counted.' },
  untagged: { type: 'boolean', description: 'Manifests that no tag, index or subject keeps go everywhere.' },
  graceSeconds: { type: 'number', description: 'What was used within this time stays.' },
  startedAt: TIME,
  endedAt: TIME,
  phase: { enum: ['repositories', 'blobs'] },
  progress: exactly({ done: COUNT, total: COUNT }),
  repository: { ...TEXT, description: 'The last one that was gone through.' },
  removed: exactly({ tags: COUNT, manifests: COUNT, links: COUNT, blobs: COUNT, bytes: BYTES }),
  removals: listOf(exactly({ repository: TEXT, tag: TEXT, digest: DIGEST }, ['tag']), { maxItems: REMOVALS_MAX }),
  error: TEXT
}

/** What answers are made of, by name. */
export const SCHEMAS: Readonly<Record<string, Schema>> = {
  Repositories: exactly({ repositories: listOf(exactly({ name: TEXT })) }),
  Artifacts: exactly({ repository: TEXT, artifacts: listOf({ $ref: '#/components/schemas/Artifact' }) }),
  Artifact: exactly(ARTIFACT, ['subject']),
  ArtifactDetail: exactly(
    {
      ...ARTIFACT,
      parts: listOf(exactly(PART, ['urls', 'annotations', 'platform', 'artifactType']), {
        description: 'Config and layers of an image, or the manifests of an index.'
      })
    },
    ['subject']
  ),
  Platform: exactly({ os: TEXT, architecture: TEXT, variant: TEXT, 'os.version': TEXT }, ['variant', 'os.version']),
  Mesh: exactly({ peerId: TEXT, addresses: listOf(TEXT), upstreams: listOf(exactly({ host: TEXT, prefix: TEXT })) }, [
    'upstreams'
  ]),
  CollectionRequest: {
    ...exactly({ dryRun: FLAG, untagged: FLAG, graceSeconds: { type: 'number', minimum: 0, default: 7200 } }),
    required: []
  },
  Collection: exactly(COLLECTION, ['endedAt', 'repository', 'error']),
  Event: exactly(
    {
      seq: { ...BYTES, description: 'Its place; what ?last= takes.' },
      id: TEXT,
      at: TIME,
      action: { ...TEXT, enum: EVENT_ACTIONS },
      kind: { ...TEXT, enum: ['manifest', 'blob', 'tag', 'registry'] },
      repository: TEXT,
      digest: DIGEST,
      mediaType: TEXT,
      size: BYTES,
      tag: TEXT,
      fromRepository: TEXT,
      request: exactly({ id: TEXT, addr: TEXT, host: TEXT, method: TEXT, useragent: TEXT }),
      actor: TEXT,
      count: BYTES,
      detail: { type: 'object' }
    },
    ['digest', 'mediaType', 'size', 'tag', 'fromRepository', 'request', 'actor', 'count', 'detail']
  ),
  Events: exactly({
    events: listOf({ $ref: '#/components/schemas/Event' }),
    webhooks: listOf(
      exactly({
        name: TEXT,
        url: { ...TEXT, description: 'Without its query.' },
        queued: BYTES,
        queuedBytes: BYTES,
        oldestAgeSeconds: { type: 'number', minimum: 0 },
        failing: { ...BYTES, description: 'Repositories whose next event was refused.' },
        lastError: TEXT
      })
    )
  }),
  ReplayRequest: {
    ...exactly({ webhook: TEXT, after: BYTES, upTo: BYTES, repository: TEXT }),
    required: []
  },
  Replayed: exactly({ events: BYTES }),
  ReadOnly: exactly({ readOnly: FLAG, reason: TEXT, since: TIME, fixed: FLAG, writesUnderWay: BYTES }, ['since']),
  ReadOnlyRequest: exactly({ readOnly: FLAG, reason: { ...TEXT, maxLength: REASON_MAX } }, ['reason']),
  Problem: {
    type: 'object',
    description: 'RFC 9457.',
    properties: { type: TEXT, title: TEXT, status: { type: 'integer' }, detail: TEXT },
    required: ['type', 'title', 'status', 'detail']
  }
}
