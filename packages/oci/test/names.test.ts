import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  digestAlgorithm,
  digestBytes,
  digestFromBytes,
  digestHex,
  digestOf,
  formatReference,
  isDigest,
  OciError,
  parseDigest,
  parseDistributionPath,
  parseReference
} from '../src/index.ts'

const EMPTY = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** Runs what may refuse its input, but with nothing else than an OciError. */
function refusesWithOciError(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof OciError, String(error))
  }
}

describe('a digest', () => {
  it('is what the hash says', () => {
    assert.equal(digestOf(new Uint8Array()), EMPTY)
    assert.match(digestOf(new Uint8Array(), 'sha512'), /^sha512:cf83e1357eefb8bd/)
  })

  it('survives the way to bytes and back', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom('sha256' as const, 'sha512' as const), (bytes, algorithm) => {
        const digest = digestOf(bytes, algorithm)
        assert.equal(digestFromBytes(digestAlgorithm(digest), digestBytes(digest)), digest)
        assert.equal(`${algorithm}:${digestHex(digest)}`, digest)
        assert.equal(parseDigest(digest), digest)
      })
    )
  })

  it('that is not one is refused', () => {
    for (const text of [
      '',
      'sha256:',
      `${EMPTY} `,
      EMPTY.toUpperCase(),
      EMPTY.slice(0, -1),
      `${EMPTY}0`,
      `md5:${'0'.repeat(32)}`
    ]) {
      assert.equal(isDigest(text), false, text)
      assert.throws(() => parseDigest(text), { code: 'DIGEST_INVALID', status: 400 })
    }
    fc.assert(fc.property(fc.string(), (text) => refusesWithOciError(() => parseDigest(text))))
  })
})

describe('a reference', () => {
  const cases: [string, string][] = [
    ['nginx', 'docker.io/library/nginx:latest'],
    ['nginx:1', 'docker.io/library/nginx:1'],
    ['team/app', 'docker.io/team/app:latest'],
    ['docker.io/nginx', 'docker.io/library/nginx:latest'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app', 'localhost:5000/app:latest'],
    ['registry.example/a/b/c:v1.2', 'registry.example/a/b/c:v1.2'],
    ['[::1]:5000/app:1', '[::1]:5000/app:1'],
    ['[fd00::1]/app', '[fd00::1]/app:latest'],
    [`host:5000/app@${EMPTY}`, `host:5000/app@${EMPTY}`],
    [`host:5000/app:1@${EMPTY}`, `host:5000/app:1@${EMPTY}`]
  ]
  for (const [text, full] of cases) {
    it(`${text} is ${full}`, () => {
      assert.equal(formatReference(parseReference(text)), full)
      assert.deepEqual(parseReference(full), parseReference(text))
    })
  }

  it('that is not one is refused, naming the part that is wrong', () => {
    for (const [text, part] of [
      ['host:5000/App', 'repository'],
      ['host:5000/app:', 'tag'],
      ['host:5000/app:-x', 'tag'],
      ['host:5000/', 'repository'],
      ['ho_st.x:5000/app', 'host'],
      ['', 'repository'],
      [`app@sha256:${'g'.repeat(64)}`, 'digest'],
      ['a//b', 'repository'],
      ['../etc/passwd', 'host']
    ] as const) {
      assert.throws(
        () => parseReference(text),
        (error) => error instanceof OciError && error.message.includes(part),
        text
      )
    }
  })

  it('of any text is read or refused with an OciError, and stays the same once read', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z0-9:/@.[\]_-]{0,40}$/)), (text) => {
        refusesWithOciError(() => {
          const reference = parseReference(text)
          assert.deepEqual(parseReference(formatReference(reference)), reference)
        })
      }),
      { numRuns: 1000 }
    )
  })
})

describe('a path of the distribution API', () => {
  const cases: [string, object | undefined][] = [
    ['/v2', { kind: 'base' }],
    ['/v2/', { kind: 'base' }],
    ['/v2/a/b/manifests/1', { kind: 'manifest', name: 'a/b', reference: '1' }],
    [`/v2/a/blobs/${EMPTY}`, { kind: 'blob', name: 'a', digest: EMPTY }],
    ['/v2/a/blobs/uploads', { kind: 'uploads', name: 'a' }],
    ['/v2/a/blobs/uploads/', { kind: 'uploads', name: 'a' }],
    ['/v2/a/blobs/uploads/x-1', { kind: 'upload', name: 'a', id: 'x-1' }],
    ['/v2/manifests/blobs/tags/list', { kind: 'tags', name: 'manifests/blobs' }],
    [`/v2/a/referrers/${EMPTY}`, { kind: 'referrers', name: 'a', digest: EMPTY }],
    ['/v2/_catalog', undefined],
    ['/v1/a/manifests/1', undefined]
  ]
  for (const [path, route] of cases)
    it(`${path} is understood`, () => assert.deepEqual(parseDistributionPath(path), route))

  it('takes a host before the repository only where it is allowed', () => {
    const path = '/v2/host:5000/a/manifests/1'
    assert.throws(() => parseDistributionPath(path), { code: 'NAME_INVALID' })
    assert.deepEqual(parseDistributionPath(path, { allowHost: true }), {
      kind: 'manifest',
      name: 'host:5000/a',
      reference: '1'
    })
  })

  it('refuses names that leave the repository', () => {
    for (const name of ['../a', 'A', 'a/../b', 'a//b', '.a', 'a/', 'a'.repeat(256)]) {
      assert.throws(() => parseDistributionPath(`/v2/${name}/tags/list`), { code: 'NAME_INVALID' }, name)
    }
    fc.assert(fc.property(fc.string(), (text) => refusesWithOciError(() => parseDistributionPath(`/v2/${text}`))))
  })
})
