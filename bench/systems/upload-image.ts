import { run } from '../../test/harness/process.ts'
import type { BenchBlob, BenchImage } from '../bench-system.ts'

const UPLOAD_DEADLINE_MS = 10 * 60_000

/**
 * Pushes an image to a registry, each blob with one POST and one PUT (OCI distribution 1.1, "Pushing a blob monolithically").
 *
 * @param base `http://HOST/v2/NAME`
 * @throws Error with what the registry answered
 */
export async function uploadImage(
  namespace: string,
  base: string,
  image: BenchImage,
  credentials?: string
): Promise<void> {
  const login = credentials === undefined ? [] : ['--user', credentials]
  const curl = ['curl', '--silent', '--show-error', '--fail-with-body', ...login]
  for (const blob of [image.config, ...image.layers]) await uploadBlob(curl, namespace, base, blob)
  const { file, digest, mediaType } = image.manifest
  const headers = ['--header', `Content-Type: ${mediaType}`, '--header', 'Expect:']
  await run([...curl, ...headers, '--upload-file', file, `${base}/manifests/${digest}`], { namespace })
}

async function uploadBlob(curl: readonly string[], namespace: string, base: string, blob: BenchBlob): Promise<void> {
  const started = await run([...curl, '--request', 'POST', '--dump-header', '-', `${base}/blobs/uploads/`], {
    namespace
  })
  const location = started.match(/^location:\s*(\S+)/im)?.[1]
  if (location === undefined) throw new Error(`the registry started no upload:\n${started}`)
  const target = new URL(location, base)
  target.searchParams.set('digest', blob.digest)
  const headers = ['--header', 'Content-Type: application/octet-stream', '--header', 'Expect:']
  await run([...curl, ...headers, '--upload-file', blob.file, target.href], {
    namespace,
    deadlineMs: UPLOAD_DEADLINE_MS
  })
}
