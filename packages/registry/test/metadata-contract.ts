import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { type Descriptor, type Digest, digestOf } from '@shoal/oci'
import fc from 'fast-check'
import type { ManifestRecord, Metadata } from '../src/metadata.ts'

const digest = (text: string): Digest => digestOf(Buffer.from(text))
const record = (of: Digest, subject?: Digest): ManifestRecord => ({
  digest: of,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  size: 7,
  pushedAt: 1,
  ...(subject === undefined ? {} : { subject })
})
const descriptor = (of: Digest): Descriptor => ({ mediaType: 'application/x', digest: of, size: 7 })

async function listed(source: AsyncIterable<Descriptor>): Promise<Digest[]> {
  const digests: Digest[] = []
  for await (const each of source) digests.push(each.digest)
  return digests
}

/** What every implementation of Metadata has to do. `open` gives an empty one and cleans up after the test. */
export function metadataContract(name: string, open: (t: TestContext) => Promise<Metadata>): void {
  describe(`metadata: ${name}`, () => {
    const A = digest('a')
    const B = digest('b')

    it('has a repository from the first thing put into it, and keeps it', async (t) => {
      const metadata = await open(t)
      assert.equal(await metadata.hasRepository('team/app'), false)
      assert.equal(await metadata.countRepositories(), 0)
      await metadata.linkBlob('team/app', A)
      await metadata.putManifest('other', record(B), { tags: [] })
      assert.equal(await metadata.countRepositories(), 2)
      await metadata.unlinkBlob('team/app', A)
      assert.equal(await metadata.hasRepository('team/app'), true)
    })

    it('links a blob to one repository only, and unlinks it once', async (t) => {
      const metadata = await open(t)
      await metadata.linkBlob('team/app', A)
      await metadata.linkBlob('team/app', A)
      assert.equal(await metadata.hasBlob('team/app', A), true)
      assert.equal(await metadata.hasBlob('team', A), false)
      assert.equal(await metadata.hasBlob('team/app', B), false)
      assert.equal(await metadata.unlinkBlob('team', A), false)
      assert.equal(await metadata.unlinkBlob('team/app', A), true)
      assert.equal(await metadata.unlinkBlob('team/app', A), false)
      assert.equal(await metadata.hasBlob('team/app', A), false)
    })

    it('gives a manifest back as it was put', async (t) => {
      const metadata = await open(t)
      await metadata.putManifest('app', record(A, B), { tags: ['v1'], referrer: descriptor(A) })
      assert.deepEqual(await metadata.manifest('app', A), record(A, B))
      assert.equal(await metadata.manifest('app', B), undefined)
      assert.equal(await metadata.manifest('ap', A), undefined)
    })

    it('moves a tag, and deletes it without its manifest', async (t) => {
      const metadata = await open(t)
      await metadata.putManifest('app', record(A), { tags: ['v1', 'latest'] })
      await metadata.putManifest('app', record(B), { tags: ['latest'] })
      assert.equal(await metadata.tag('app', 'latest'), B)
      assert.equal(await metadata.tag('app', 'v1'), A)
      assert.equal(await metadata.deleteTag('app', 'v1'), true)
      assert.equal(await metadata.deleteTag('app', 'v1'), false)
      assert.equal(await metadata.tag('app', 'v1'), undefined)
      assert.deepEqual(await metadata.manifest('app', A), record(A))
    })

    it('deletes a manifest with its tags and its place among referrers, and nothing else', async (t) => {
      const metadata = await open(t)
      const subject = digest('subject')
      await metadata.putManifest('app', record(A, subject), { tags: ['a1', 'a2'], referrer: descriptor(A) })
      await metadata.putManifest('app', record(B, subject), { tags: ['b'], referrer: descriptor(B) })
      await metadata.putManifest('app2', record(A, subject), { tags: ['a1'], referrer: descriptor(A) })
      assert.equal(await metadata.deleteManifest('app', A), true)
      assert.equal(await metadata.deleteManifest('app', A), false)
      assert.deepEqual(await metadata.tags('app', { limit: 9 }), ['b'])
      assert.deepEqual(await listed(metadata.referrers('app', subject)), [B])
      assert.deepEqual(await metadata.tags('app2', { limit: 9 }), ['a1'])
      assert.deepEqual(await listed(metadata.referrers('app2', subject)), [A])
    })

    it('never leaves a tag without a manifest when both change at the same time', async (t) => {
      const metadata = await open(t)
      for (let round = 0; round < 10; round++) {
        await metadata.putManifest('app', record(A), { tags: ['one'] })
        await Promise.all([
          metadata.deleteManifest('app', A),
          metadata.putManifest('app', record(A), { tags: ['two'] }),
          metadata.deleteManifest('app', A)
        ])
        for (const tag of await metadata.tags('app', { limit: 9 })) {
          assert.notEqual(await metadata.manifest('app', A), undefined, `${tag} in round ${round}`)
        }
      }
    })

    it('keeps the last pull of a manifest as long as the manifest', async (t) => {
      const metadata = await open(t)
      await metadata.putManifest('app', record(A), { tags: [] })
      const pull = (digest: Digest, pulledAt: number) => ({ repository: 'app', digest, pulledAt })
      await metadata.recordPulls([pull(A, 5), pull(B, 6), { ...pull(A, 7), repository: 'other' }])
      assert.equal(await metadata.pulledAt('app', A), 5)
      assert.equal(await metadata.pulledAt('app', B), undefined)
      assert.equal(await metadata.hasRepository('other'), false)
      await metadata.recordPulls([pull(A, 8)])
      assert.equal(await metadata.pulledAt('app', A), 8)
      await metadata.deleteManifest('app', A)
      assert.equal(await metadata.pulledAt('app', A), undefined)
    })

    it('lists referrers by digest from behind the last one', async (t) => {
      const metadata = await open(t)
      const subject = digest('subject')
      const all = ['p', 'q', 'r', 's'].map(digest).sort()
      for (const each of all) {
        await metadata.putManifest('app', record(each, subject), { tags: [], referrer: descriptor(each) })
      }
      assert.deepEqual(await listed(metadata.referrers('app', subject)), all)
      assert.deepEqual(await listed(metadata.referrers('app', subject, all[1])), all.slice(2))
      assert.deepEqual(await listed(metadata.referrers('app', A)), [])
    })

    it('pages through any tags in order, each once', async (t) => {
      const metadata = await open(t)
      let repository = 0
      const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,5}$/)
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(tag, { maxLength: 12 }),
          fc.integer({ min: 1, max: 5 }),
          async (tags, limit) => {
            const name = `app${++repository}`
            await metadata.putManifest(name, record(A), { tags })
            const seen: string[] = []
            for (;;) {
              const after = seen.at(-1)
              const page = await metadata.tags(name, { limit, ...(after === undefined ? {} : { after }) })
              assert.ok(page.length <= limit, `${page.length} tags in a page of ${limit}`)
              if (page.length === 0) break
              seen.push(...page)
            }
            assert.deepEqual(seen, [...tags].sort())
          }
        ),
        { numRuns: 40 }
      )
    })
  })
}
