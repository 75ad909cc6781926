import { createHash } from 'node:crypto'
import { type Descriptor, type Digest, digestAlgorithm, digestHex } from '@shoal/oci'
import { CommandError } from '../errors.ts'

/**
 * Passes a blob's bytes on and fails at the end when they were not those of its descriptor, or at once when they are too many.
 *
 * @throws CommandError naming what differed
 */
export async function* verified(
  descriptor: Pick<Descriptor, 'digest' | 'size'>,
  body: AsyncIterable<Uint8Array>
): AsyncGenerator<Uint8Array> {
  const { digest, size } = descriptor
  const hash = createHash(digestAlgorithm(digest))
  let length = 0
  for await (const bytes of body) {
    length += bytes.length
    if (length > size)
      throw new CommandError(`${digest} is longer than its ${size} bytes; what was sent is not that blob`)
    hash.update(bytes)
    yield bytes
  }
  if (length < size) throw new CommandError(`${digest} ended after ${length} of ${size} bytes; pull again`)
  checkHash(digest, hash.digest('hex'))
}

function checkHash(digest: Digest, hex: string): void {
  if (hex !== digestHex(digest)) {
    throw new CommandError(`what was sent for ${digest} has another digest (${hex}); its source is broken or hostile`)
  }
}
