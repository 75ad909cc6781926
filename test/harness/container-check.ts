import assert from 'node:assert/strict'
import type { Containerd } from './containerd.ts'
import type { BuiltImage } from './image.ts'

/** Runs a container that hashes the image's files from the inside, and compares: every byte of every layer is right. */
export async function checkContainer(containerd: Containerd, reference: string, image: BuiltImage): Promise<void> {
  const paths = image.files.map((file) => file.path)
  const output = await containerd.runContainer(reference, ['/bin/busybox', 'sha256sum', ...paths])
  const expected = image.files.map((file) => `${file.sha256}  ${file.path}`)
  assert.deepEqual(output.trim().split('\n'), expected, `what a container sees on ${containerd.process.name}`)
}
