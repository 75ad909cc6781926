import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isRepositoryName } from '@shoal/oci'
import fc from 'fast-check'
import { localPrefix, proxiedName } from '../../src/proxy/proxied-name.ts'

const HOSTS = ['docker.io', 'quay.io', 'registry.example:5000']

describe('the name of a proxied repository', () => {
  it('comes from ns, or from its first part', () => {
    const cases = [
      ['app', 'docker.io', 'docker.io/library/app'],
      ['team/app', 'docker.io', 'docker.io/team/app'],
      ['docker.io/app', undefined, 'docker.io/library/app'],
      ['app', 'quay.io', 'quay.io/app'],
      ['app', 'registry.example:5000', 'registry.example-5000/app'],
      ['registry.example-5000/app', undefined, 'registry.example-5000/app'],
      // Whatever else is named: nobody else's images go under this name.
      ['quay.io/app', 'elsewhere.example', 'quay.io/app'],
      ['quay.iox/app', undefined, undefined],
      ['app', 'elsewhere.example', undefined],
      ['app', undefined, undefined]
    ] as const
    for (const [name, ns, local] of cases) assert.equal(proxiedName(name, ns, HOSTS)?.local, local, `${name} ${ns}`)
  })

  it('is a repository name that means the same again', () => {
    const component = fc.stringMatching(/^[a-z0-9]{1,8}$/)
    const repository = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
    fc.assert(
      fc.property(repository, fc.constantFrom(...HOSTS), (name, ns) => {
        const found = proxiedName(name, ns, HOSTS)
        assert.ok(found)
        assert.ok(isRepositoryName(found.local))
        assert.deepEqual(proxiedName(found.local, undefined, HOSTS), found)
      })
    )
  })

  it('cannot begin with an address in brackets', () => {
    assert.equal(localPrefix('[::1]:5000'), undefined)
  })
})
