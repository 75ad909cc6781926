import { parseDigest } from '@shoal/oci'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Access, REALM } from '../access.ts'
import { sendJson } from '../json.ts'
import { takePage } from '../list-page.ts'
import type { Metadata } from '../metadata.ts'
import { askedPage, linkNext } from '../page.ts'
import { sendProblem } from '../problem.ts'
import { manifestUnknown, repositoryUnknown } from '../unknown.ts'
import { type ArtifactPath, parseArtifactPath } from './artifact-path.ts'
import type { ArtifactView, ArtifactViews } from './artifact-view.ts'

/** Repositories in one answer. */
export const REPOSITORIES_PAGE_MAX = 1000
/** Artifacts in one answer. */
export const ARTIFACTS_PAGE_MAX = 100
/** A page of artifacts is not made longer than this, bytes: annotations may be long. */
export const ARTIFACTS_PAGE_BYTES = 2 * 1024 * 1024

const REPOSITORIES = '/api/v1/repositories'
const JSON_TYPE = 'application/json'

/** What the artifact routes need. */
export interface ArtifactRoutesInit {
  readonly access: Access
  readonly metadata: Pick<Metadata, 'hasRepository' | 'manifest' | 'manifests' | 'repositories'>
  readonly views: ArtifactViews
}

/**
 * What is here, for people and their programs: `GET /api/v1/repositories`, `…/{name}/artifacts` and
 * `…/{name}/artifacts/{digest}`, for those who may pull.
 */
export function addArtifactRoutes(app: FastifyInstance, init: ArtifactRoutesInit): void {
  app.get(REPOSITORIES, async (request, reply) => {
    checkPull(request, reply, init.access)
    await sendRepositories(request, reply, init)
  })
  app.get<{ Params: { '*': string } }>(`${REPOSITORIES}/*`, async (request, reply) => {
    checkPull(request, reply, init.access)
    const path = parseArtifactPath(request.params['*'])
    if (path === undefined) return await sendProblem(reply, 404, 'there is nothing at this path')
    if (!(await init.metadata.hasRepository(path.repository))) throw repositoryUnknown(path.repository)
    await (path.digest === undefined ? sendArtifacts(request, reply, path, init) : sendArtifact(reply, path, init))
  })
}

async function sendRepositories(
  request: FastifyRequest,
  reply: FastifyReply,
  { metadata }: ArtifactRoutesInit
): Promise<void> {
  const page = askedPage(request, REPOSITORIES_PAGE_MAX)
  const { items, more } = await takePage(metadata.repositories(page.after), page)
  const last = items.at(-1)
  if (more && last !== undefined) linkNext(reply, REPOSITORIES, { n: String(page.limit), last })
  await sendJson(reply, JSON_TYPE, { repositories: items.map((name) => ({ name })) })
}

async function sendArtifacts(
  request: FastifyRequest,
  reply: FastifyReply,
  { repository }: ArtifactPath,
  { metadata, views }: ArtifactRoutesInit
): Promise<void> {
  const { after, limit } = askedPage(request, ARTIFACTS_PAGE_MAX)
  const artifacts: ArtifactView[] = []
  let bytes = 0
  for await (const record of metadata.manifests(repository, after === undefined ? undefined : parseDigest(after))) {
    if (limit === 0) break
    const last = artifacts.at(-1)
    if (last !== undefined && (artifacts.length >= limit || bytes > ARTIFACTS_PAGE_BYTES)) {
      linkNext(reply, `${REPOSITORIES}/${repository}/artifacts`, { n: String(limit), last: last.digest })
      break
    }
    const view = await views.view(repository, record)
    if (view === undefined) continue
    bytes += Buffer.byteLength(JSON.stringify(view))
    artifacts.push(view)
  }
  await sendJson(reply, JSON_TYPE, { repository, artifacts })
}

async function sendArtifact(
  reply: FastifyReply,
  { digest, repository }: ArtifactPath,
  { metadata, views }: ArtifactRoutesInit
): Promise<void> {
  if (digest === undefined) return
  const record = await metadata.manifest(repository, digest)
  const detail = record === undefined ? undefined : await views.detail(repository, record)
  if (detail === undefined) throw manifestUnknown(repository, digest)
  await sendJson(reply, JSON_TYPE, detail)
}

/** @throws OciError `UNAUTHORIZED` */
function checkPull(request: FastifyRequest, reply: FastifyReply, access: Access): void {
  try {
    access.check(request.headers.authorization, 'pull')
  } catch (error) {
    reply.header('www-authenticate', `Basic realm="${REALM}"`)
    throw error
  }
}
