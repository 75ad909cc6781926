import type { RegistryClient } from '@shoal/oci'
import type { ProgressHandle } from '../progress/board.ts'
import type { SampleBlob, SampleImage } from './sample-image.ts'

/** Pushes the sample image as any client would, over HTTP, and tells a bar of it. */
export async function pushSample(
  client: RegistryClient,
  repository: string,
  tag: string,
  image: SampleImage,
  bar: ProgressHandle,
  options: { signal: AbortSignal }
): Promise<void> {
  bar.update({ state: 'running' })
  for (const blob of [...image.layers, image.config]) {
    const { digest, size } = blob.descriptor
    const result = await client.pushBlob(repository, digest, size, () => counted(blob, bar), options)
    if (result === 'existed') bar.advance(size)
  }
  await client.putManifest(repository, tag, image.manifest, image.mediaType, options)
  bar.advance(image.manifest.length)
  bar.finish('done')
}

async function* counted(blob: SampleBlob, bar: ProgressHandle): AsyncGenerator<Uint8Array> {
  for await (const bytes of blob.open()) {
    yield bytes
    bar.advance(bytes.length)
  }
}
