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
      await metadata.linkBlob('team/app', A, 7)
      await metadata.putManifest('other', record(B), { references: [], tags: [] })
      assert.equal(await metadata.countRepositories(), 2)
      await metadata.unlinkBlob('team/app', A)
      assert.equal(await metadata.hasRepository('team/app'), true)
    })

    it('links a blob to one repository only, and unlinks it once', async (t) => {
      const metadata = await open(t)
      await metadata.linkBlob('team/app', A, 7)
      await metadata.linkBlob('team/app', A, 7)
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
      await metadata.putManifest('app', record(A, B), { references: [], tags: ['v1'], referrer: descriptor(A) })
      assert.deepEqual(await metadata.manifest('app', A), record(A, B))
      assert.equal(await metadata.manifest('app', B), undefined)
      assert.equal(await metadata.manifest('ap', A), undefined)
    })

    it('moves a tag, and deletes it without its manifest', async (t) => {
      const metadata = await open(t)
      await metadata.putManifest('app', record(A), { references: [], tags: ['v1', 'latest'] })
      await metadata.putManifest('app', record(B), { references: [], tags: ['latest'] })
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
      await metadata.putManifest('app', record(A, subject), {
        references: [],
        tags: ['a1', 'a2'],
        referrer: descriptor(A)
      })
      await metadata.putManifest('app', record(B, subject), { references: [], tags: ['b'], referrer: descriptor(B) })
      await metadata.putManifest('app2', record(A, subject), { references: [], tags: ['a1'], referrer: descriptor(A) })
      assert.equal(await metadata.deleteManifest('app', A), true)
      assert.equal(await metadata.deleteManifest('app', A), false)
      assert.deepEqual(await metadata.tags('app', { limit: 9 }), ['b'])
      assert.deepEqual(await listed(metadata.referrers('app', subject)), [B])
      assert.deepEqual(await metadata.tags('app2', { limit: 9 }), ['a1'])
      assert.deepEqual(await listed(metadata.referrers('app2', subject)), [A])
    })

    it('deletes no manifest of which a tag has to stay', async (t) => {
      const metadata = await open(t)
      await metadata.putManifest('app', record(A), { references: [], tags: ['latest', 'v1'] })
      const isFixed = (tag: string): boolean => tag === 'v1'
      await assert.rejects(metadata.deleteManifest('app', A, [], isFixed), { code: 'TAG_FIXED', tag: 'v1' })
      assert.deepEqual(await metadata.tags('app', { limit: 9 }), ['latest', 'v1'])
      assert.deepEqual(await metadata.manifest('app', A), record(A))
      await metadata.deleteTag('app', 'v1')
      assert.equal(await metadata.deleteManifest('app', A, [], isFixed), true)
    })

    it('never leaves a tag without a manifest when both change at the same time', async (t) => {
      const metadata = await open(t)
      for (let round = 0; round < 10; round++) {
        await metadata.putManifest('app', record(A), { references: [], tags: ['one'] })
        await Promise.all([
          metadata.deleteManifest('app', A),
          metadata.putManifest('app', record(A), { references: [], tags: ['two'] }),
          metadata.deleteManifest('app', A)
        ])
        for (const tag of await metadata.tags('app', { limit: 9 })) {
          assert.notEqual(await metadata.manifest('app', A), undefined, `${tag} in round ${round}`)
        }
      }
    })

    it('has a tag on just one manifest when pushes and deletes move it at the same time', async (t) => {
      const metadata = await open(t)
      const some = ['a', 'b', 'c'].map(digest)
      const changes: Promise<unknown>[] = []
      for (let round = 0; round < 20; round++) {
        for (const each of some) {
          const tags = round % 2 === 0 ? ['x', 'y'] : ['y', 'x', 'y']
          changes.push(metadata.putManifest('app', record(each), { tags, references: [] }))
        }
        if (round % 3 === 0) changes.push(metadata.deleteManifest('app', A), metadata.deleteTag('app', 'y'))
      }
      await Promise.all(changes)
      const tagged = await Array.fromAsync(metadata.tagged('app'))
      assert.deepEqual(tagged.map(({ tag }) => tag).sort(), ['x', 'y'])
      for (const each of tagged) {
        assert.equal(await metadata.tag('app', each.tag), each.digest)
        assert.ok(await metadata.manifest('app', each.digest), `${each.tag} names nothing`)
      }
    })

    it('keeps the last pull of a manifest as long as the manifest', async (t) => {
      const metadata = await open(t)
      await metadata.putManifest('app', record(A), { references: [], tags: [] })
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

    it('says who has a digest, by prefix of the repository', async (t) => {
      const metadata = await open(t)
      await metadata.linkBlob('team/a', A, 7)
      await metadata.linkBlob('team-b', A, 7)
      await metadata.linkBlob('team/a', B, 8)
      await metadata.putManifest('team/c', record(A), { tags: [], references: [] })
      const holders = async (prefix?: string) =>
        (await Array.fromAsync(metadata.holdings(A, prefix))).map(({ kind, repository }) => `${repository} ${kind}`)
      assert.deepEqual(await holders(), ['team-b blob', 'team/a blob', 'team/c manifest'])
      assert.deepEqual(await holders('team/'), ['team/a blob', 'team/c manifest'])
      assert.deepEqual(await Array.fromAsync(metadata.holdings(B)), [{ repository: 'team/a', kind: 'blob', size: 8 }])
      await metadata.unlinkBlob('team/a', A)
      await metadata.deleteManifest('team/c', A)
      assert.deepEqual(await holders(), ['team-b blob'])
    })

    it('says which manifests of a repository use a digest', async (t) => {
      const metadata = await open(t)
      const C = digest('c')
      await metadata.putManifest('app', record(A), { tags: [], references: [C, C] })
      await metadata.putManifest('app', record(B), { tags: [], references: [C] })
      await metadata.putManifest('other', record(A), { tags: [], references: [B] })
      const users = async () => await Array.fromAsync(metadata.users('app', C))
      assert.deepEqual(await users(), [A, B].sort())
      await metadata.deleteManifest('app', A)
      assert.deepEqual(await users(), [B])
      assert.deepEqual(await Array.fromAsync(metadata.users('app', B)), [])
    })

    it('lists repositories, blobs and manifests from behind the last one', async (t) => {
      const metadata = await open(t)
      const all = ['p', 'q', 'r'].map(digest).sort()
      for (const each of all) {
        await metadata.linkBlob('app', each, 7)
        await metadata.putManifest('app/x', record(each), { tags: [], references: [] })
      }
      assert.deepEqual(await Array.fromAsync(metadata.repositories()), ['app', 'app/x'])
      assert.deepEqual(await Array.fromAsync(metadata.repositories('app')), ['app/x'])
      assert.deepEqual(await Array.fromAsync(metadata.blobs('app', all[0])), all.slice(1))
      assert.deepEqual(await Array.fromAsync(metadata.blobs('app/x')), [])
      assert.deepEqual(
        await Array.fromAsync(metadata.manifests('app/x', all[1])),
        all.slice(2).map((each) => record(each))
      )
    })

    it('knows the tags of a manifest, and deletes one only while it is as expected', async (t) => {
      const metadata = await open(t)
      await metadata.putManifest('app', record(A), { tags: ['v1', 'v2'], references: [] })
      await metadata.putManifest('app', { ...record(B), pushedAt: 2 }, { tags: ['v2'], references: [] })
      const before = { tag: 'v2', digest: A, taggedAt: 1 }
      const now = { tag: 'v2', digest: B, taggedAt: 2 }
      assert.deepEqual(await Array.fromAsync(metadata.tagged('app', A)), [{ ...before, tag: 'v1' }])
      assert.deepEqual(await Array.fromAsync(metadata.tagged('app', B)), [now])
      assert.equal((await Array.fromAsync(metadata.tagged('app'))).length, 2)
      assert.equal(await metadata.deleteTag('app', 'v2', before), false)
      assert.equal(await metadata.deleteTag('app', 'v2', { ...now, taggedAt: 3 }), false)
      assert.equal(await metadata.deleteTag('app', 'v2', now), true)
      assert.deepEqual(await Array.fromAsync(metadata.tagged('app', B)), [])
    })

    it('does not move a fixed tag, and stores nothing of what would', async (t) => {
      const metadata = await open(t)
      const put = async (of: Digest): Promise<void> =>
        await metadata.putManifest('app', record(of), { tags: ['v1', 'latest'], fixed: ['v1'], references: [] })
      // At the same time: one of them is first.
      const results = await Promise.allSettled([put(A), put(B)])
      const refused = results.filter((result) => result.status === 'rejected')
      assert.equal(refused.length, 1)
      assert.equal(refused[0]?.reason.code, 'TAG_FIXED')
      const first = await metadata.tag('app', 'v1')
      assert.equal(await metadata.tag('app', 'latest'), first)
      assert.equal(await metadata.manifest('app', first === A ? B : A), undefined)
      await put(first ?? A)
    })

    it('keeps uploads, leases and notes', async (t) => {
      const { uploads, leases, notes } = await open(t)
      const upload = { id: 'u1', repository: 'app', algorithm: 'sha512', begunAt: 5 } as const
      await uploads.put(upload)
      await uploads.put({ id: 'u2', repository: 'app', begunAt: 6 })
      await uploads.delete('u2')
      assert.deepEqual(await Array.fromAsync(uploads.all()), [upload])
      assert.equal(await leases.get(A), undefined)
      await leases.put([A, B], 5)
      assert.equal(await leases.get(A), 5)
      await leases.delete([A])
      assert.equal(await leases.get(B), 5)
      assert.deepEqual(await Array.fromAsync(leases.before(5)), [])
      assert.deepEqual(await Array.fromAsync(leases.before(6)), [B])
      assert.equal(await leases.get(A), undefined)
      assert.equal(await notes.get('gc'), undefined)
      await notes.put('gc', { phase: 'x' })
      assert.deepEqual(await notes.get('gc'), { phase: 'x' })
    })

    it('lists referrers by digest from behind the last one', async (t) => {
      const metadata = await open(t)
      const subject = digest('subject')
      const all = ['p', 'q', 'r', 's'].map(digest).sort()
      for (const each of all) {
        await metadata.putManifest('app', record(each, subject), {
          references: [],
          tags: [],
          referrer: descriptor(each)
        })
      }
      assert.deepEqual(await listed(metadata.referrers('app', subject)), all)
      assert.deepEqual(await listed(metadata.referrers('app', subject, all[1])), all.slice(2))
      assert.deepEqual(await listed(metadata.referrers('app', A)), [])
    })

    it('gives a snapshot of one instant, whatever is written since', async (t) => {
      const metadata = await open(t)
      await metadata.linkBlob('app', A, 7)
      await metadata.putManifest('app', record(B, A), { references: [A, A], tags: ['v1'], referrer: descriptor(B) })
      await metadata.recordPulls([{ repository: 'app', digest: B, pulledAt: 5 }])
      await metadata.linkBlob('app/more', B, 9)
      const snapshot = await metadata.snapshot()
      const expected = [
        { kind: 'repository', repository: 'app' },
        { kind: 'blob', repository: 'app', digest: A, size: 7 },
        {
          kind: 'manifest',
          repository: 'app',
          manifest: record(B, A),
          references: [A],
          referrer: descriptor(B),
          pulledAt: 5
        },
        { kind: 'tag', repository: 'app', tag: { tag: 'v1', digest: B, taggedAt: 1 } },
        { kind: 'repository', repository: 'app/more' },
        { kind: 'blob', repository: 'app/more', digest: B, size: 9 }
      ]
      await metadata.unlinkBlob('app', A)
      await metadata.deleteManifest('app', B)
      await metadata.linkBlob('new', A, 7)
      assert.deepEqual(await Array.fromAsync(snapshot.records()), expected)
      await snapshot.close()
      const later = await metadata.snapshot()
      const kinds = (await Array.fromAsync(later.records())).map(({ kind, repository }) => `${kind} ${repository}`)
      await later.close()
      assert.deepEqual(kinds, ['repository app', 'repository app/more', 'blob app/more', 'repository new', 'blob new'])
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
            await metadata.putManifest(name, record(A), { tags, references: [] })
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
