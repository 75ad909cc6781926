import assert from 'node:assert/strict'
import { it } from 'node:test'
import { errorCode, json, pushBlob, pushImage, putManifest, startRegistry } from './harness.ts'

const link = (response: Response): string | undefined =>
  /^<(.*)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1]

it('lists tags sorted, whole or in pages', async (t) => {
  const harness = await startRegistry(t)
  const { bytes } = await pushImage(harness, 'team/app', 'b')
  for (const tag of ['a', 'C', '_x', 'b.1', 'b-1']) await putManifest(harness, 'team/app', tag, bytes)
  const sorted = ['C', '_x', 'a', 'b', 'b-1', 'b.1']

  const whole = await harness.request('/v2/team/app/tags/list')
  assert.equal(whole.status, 200)
  assert.deepEqual(await whole.json(), { name: 'team/app', tags: sorted })
  assert.equal(whole.headers.get('link'), null)

  const seen: unknown[] = []
  let path: string | undefined = '/v2/team/app/tags/list?n=4'
  let pages = 0
  while (path !== undefined) {
    const response = await harness.request(path)
    const body = await json<{ tags: string[] }>(response)
    seen.push(...body.tags)
    pages++
    path = link(response)
  }
  assert.deepEqual([seen, pages], [sorted, 2])

  const exact = await harness.request('/v2/team/app/tags/list?n=6')
  assert.equal(link(exact), undefined)
  const behind = await harness.request('/v2/team/app/tags/list?last=aa')
  assert.deepEqual(await behind.json(), { name: 'team/app', tags: ['b', 'b-1', 'b.1'] })
})

it('gives nothing for n=0, and no link', async (t) => {
  const harness = await startRegistry(t)
  await pushImage(harness, 'app', 'v1')
  const response = await harness.request('/v2/app/tags/list?n=0')
  assert.deepEqual(await response.json(), { name: 'app', tags: [] })
  assert.equal(response.headers.get('link'), null)
})

it('knows a repository without tags from none', async (t) => {
  const harness = await startRegistry(t)
  await pushBlob(harness, 'app', Buffer.from('x'))
  assert.deepEqual(await (await harness.request('/v2/app/tags/list')).json(), { name: 'app', tags: [] })
  const none = await harness.request('/v2/none/tags/list')
  assert.equal(none.status, 404)
  assert.equal(await errorCode(none), 'NAME_UNKNOWN')
})

it('refuses a page size that is no number', async (t) => {
  const harness = await startRegistry(t)
  await pushImage(harness, 'app', 'v1')
  for (const n of ['-1', 'many', '1.5', '']) {
    const response = await harness.request(`/v2/app/tags/list?n=${n}`)
    assert.equal(response.status, 400, n)
    assert.equal(await errorCode(response), 'UNSUPPORTED', n)
  }
})
