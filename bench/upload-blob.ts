import { run } from '../test/harness/process.ts'
import type { BenchBlob } from './bench-system.ts'

/**
 * Uploads a blob to a registry with one POST and one PUT (OCI distribution 1.1, "Pushing a blob monolithically").
 *
 * @param base `http://HOST/v2/NAME`
 * @throws Error with what the registry answered
 */
export async function uploadBlob(
  namespace: string,
  base: string,
  blob: BenchBlob,
  credentials?: string
): Promise<void> {
  const login = credentials === undefined ? [] : ['--user', credentials]
  const curl = ['curl', '--silent', '--show-error', '--fail-with-body', ...login]
  const started = await run([...curl, '--request', 'POST', '--dump-header', '-', `${base}/blobs/uploads/`], {
    namespace
  })
  const location = started.match(/^location:\s*(\S+)/im)?.[1]
  if (location === undefined) throw new Error(`the registry started no upload:\n${started}`)
  const target = new URL(location, base)
  target.searchParams.set('digest', blob.digest)
  const headers = ['--header', 'Content-Type: application/octet-stream', '--header', 'Expect:']
  await run([...curl, ...headers, '--upload-file', blob.file, target.href], { namespace })
}
