import assert from 'node:assert/strict'
import { it } from 'node:test'
import { digestOf, MEDIA_TYPES } from '@shoal/oci'
import { type Harness, json, putManifest, startRegistry } from '../harness.ts'
import { describes, sample } from './manifest-kinds.ts'

const NAME = 'conformance/lists'

/** All pages of a list from `path` on: the entries of each, and where they are linked. */
async function pages<T>({ request }: Harness, path: string, entries: (body: T) => string[]): Promise<string[][]> {
  const found: string[][] = []
  let next: string | undefined = path
  while (next !== undefined) {
    assert.ok(found.length < 50, 'the list comes to an end')
    const response: Response = await request(next)
    assert.equal(response.status, 200)
    found.push(entries(await json<T>(response)))
    next = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1]
  }
  return found
}

/** The lists that take `n` and `last`, filled with the names `a` to `e`. */
const LISTS = {
  'end-8: tags': {
    path: `/v2/${NAME}/tags/list`,
    fill: async (harness: Harness, entry: string) => {
      const { bytes, mediaType } = sample({ manifests: [] })
      await putManifest(harness, NAME, entry, bytes, mediaType)
    },
    entries: ({ tags }: { tags: string[] }) => tags
  },
  'the catalog': {
    path: '/v2/_catalog',
    fill: async (harness: Harness, entry: string) => {
      const { bytes, mediaType } = sample({ manifests: [] })
      await putManifest(harness, entry, 'latest', bytes, mediaType)
    },
    entries: ({ repositories }: { repositories: string[] }) => repositories
  }
} as const

for (const [list, { entries, fill, path }] of Object.entries(LISTS)) {
  it(`${list}: sorted, in pages of n, from behind last on, and empty for n=0`, async (t) => {
    const harness = await startRegistry(t)
    for (const entry of ['d', 'b', 'e', 'a', 'c']) await fill(harness, entry)
    const listed = async (query: string): Promise<string[][]> =>
      await pages(harness, `${path}${query}`, (body: { tags: string[] } & { repositories: string[] }) => entries(body))
    assert.deepEqual(await listed(''), [['a', 'b', 'c', 'd', 'e']])
    assert.deepEqual(await listed('?n=2'), [['a', 'b'], ['c', 'd'], ['e']])
    assert.deepEqual(await listed('?n=5'), [['a', 'b', 'c', 'd', 'e']])
    assert.deepEqual(await listed('?n=100'), [['a', 'b', 'c', 'd', 'e']])
    assert.deepEqual(await listed('?last=b'), [['c', 'd', 'e']])
    assert.deepEqual(await listed('?n=2&last=b'), [['c', 'd'], ['e']])
    assert.deepEqual(await listed('?last=bb'), [['c', 'd', 'e']])
    assert.deepEqual(await listed('?last=e'), [[]])
    assert.deepEqual(await listed('?n=0'), [[]])
  })
}

it('end-12: lists referrers with filter and pages, of a subject that is not here as well', async (t) => {
  const harness = await startRegistry(t)
  const missing = describes(MEDIA_TYPES.ociManifest, Buffer.from('missing'), 'sha512')
  const url = `/v2/${NAME}/referrers/${missing.digest}`
  const list = (query: string) =>
    pages(harness, `${url}${query}`, ({ manifests }: { manifests: { digest: string }[] }) =>
      manifests.map(({ digest }) => digest)
    )
  assert.deepEqual(await list(''), [[]])
  const digests: string[] = []
  for (const [i, artifactType] of ['application/one', 'application/two', 'application/one'].entries()) {
    const { bytes, mediaType } = sample({ manifests: [], subject: missing, artifactType, annotations: { i: `${i}` } })
    const put = await putManifest(harness, NAME, digestOf(bytes), bytes, mediaType)
    assert.equal(put.headers.get('oci-subject'), missing.digest)
    digests.push(digestOf(bytes))
  }
  const sorted = digests.toSorted()
  assert.deepEqual(await list(''), [sorted])
  assert.deepEqual(
    await list('?n=1'),
    sorted.map((digest) => [digest])
  )
  const ones = sorted.filter((digest) => digest !== digests[1])
  assert.deepEqual(await list('?artifactType=application/one'), [ones])
  assert.deepEqual(
    await list('?artifactType=application%2Fone&n=1'),
    ones.map((digest) => [digest])
  )
  const response = await harness.request(`${url}?artifactType=application/one`)
  assert.equal(response.headers.get('content-type'), MEDIA_TYPES.ociIndex)
  assert.equal(response.headers.get('oci-filters-applied'), 'artifactType')
  const body = await json<{ schemaVersion: number; mediaType: string }>(response)
  assert.deepEqual([body.schemaVersion, body.mediaType], [2, MEDIA_TYPES.ociIndex])
  await harness.request(`/v2/${NAME}/manifests/${digests[1]}`, { method: 'DELETE' })
  assert.deepEqual(await list(''), [ones])
})
