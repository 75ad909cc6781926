import assert from 'node:assert/strict'
import { it } from 'node:test'
import { digestOf, MEDIA_TYPES, parseManifest } from '@shoal/oci'
import { parseArtifactPath } from '../src/artifacts/artifact-path.ts'
import { artifactTypeOf } from '../src/artifacts/artifact-type.ts'

const digest = digestOf(Buffer.from('x'))

function typeOf(mediaType: string, artifactType?: string): string | undefined {
  const config = { mediaType, digest, size: 1 }
  const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, artifactType, config, layers: [] }
  return artifactTypeOf(parseManifest(Buffer.from(JSON.stringify(manifest))))
}

it('knows the type of an artifact by its artifactType, else by its config', () => {
  const cases: [string, string][] = [
    ['application/vnd.oci.image.config.v1+json', 'image'],
    ['application/vnd.docker.container.image.v1+json', 'image'],
    ['application/vnd.cncf.helm.config.v1+json', 'helm'],
    ['application/vnd.cncf.model.config.v1+json', 'model'],
    ['application/vnd.acme.rocket.config', 'rocket'],
    ['application/vnd.dev.example.rocket-engine.config.v2+json', 'rocket-engine'],
    ['application/vnd.cnab.config.v1+json', 'cnab'],
    ['application/vnd.wasm.config.v0+json', 'wasm'],
    ['application/vnd.oci.empty.v1+json', 'application/vnd.oci.empty.v1+json'],
    ['application/json', 'application/json'],
    ['application/vnd.acme.configuration.v1', 'application/vnd.acme.configuration.v1']
  ]
  for (const [mediaType, type] of cases) assert.equal(typeOf(mediaType), type, mediaType)
  assert.equal(typeOf('application/vnd.cncf.helm.config.v1+json', 'application/spdx+json'), 'application/spdx+json')
})

it('finds repository and digest in a path, whatever the repository is called', () => {
  const cases: [string, object | undefined][] = [
    ['app/artifacts', { repository: 'app' }],
    ['team/app/artifacts', { repository: 'team/app' }],
    [`team/app/artifacts/${digest}`, { repository: 'team/app', digest }],
    ['artifacts/artifacts', { repository: 'artifacts' }],
    [`artifacts/artifacts/${digest}`, { repository: 'artifacts', digest }],
    ['team/artifacts/app/artifacts', { repository: 'team/artifacts/app' }],
    ['app', undefined],
    ['artifacts', undefined],
    ['/artifacts', undefined],
    [`app/${digest}`, undefined]
  ]
  for (const [path, expected] of cases) assert.deepEqual(parseArtifactPath(path), expected, path)
  assert.throws(() => parseArtifactPath('App/artifacts'), { code: 'NAME_INVALID' })
  assert.throws(() => parseArtifactPath('app//artifacts'), { code: 'NAME_INVALID' })
  assert.throws(() => parseArtifactPath('app/artifacts/latest'), { code: 'DIGEST_INVALID' })
})
