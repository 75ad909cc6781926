import { type ByteRange, OciError } from '@shoal/oci'
import type { BodyCheck } from './request-body.ts'

/**
 * The place of a chunk in its blob: `<first>-<last>`, both inclusive (OCI distribution, "Pushing a blob in chunks").
 * This is not the header of the same name in RFC 9110.
 *
 * @throws OciError `BLOB_UPLOAD_INVALID`
 */
export function parseUploadRange(header: string | undefined): ByteRange | undefined {
  if (header === undefined) return undefined
  const [, first = '', last = ''] = /^(\d{1,15})-(\d{1,15})$/.exec(header) ?? []
  const range = { start: Number(first), end: Number(last) + 1 }
  if (first === '' || range.end <= range.start) {
    throw new OciError('BLOB_UPLOAD_INVALID', 'Content-Range has to be <first byte>-<last byte>, like 0-1023')
  }
  return range
}

/**
 * Chunks come in order.
 *
 * @throws OciError `BLOB_UPLOAD_INVALID` with status 416
 */
export function checkStart(range: ByteRange, received: number): void {
  if (range.start === received) return
  const message = `the upload has ${received} bytes, so that the next chunk begins there, not at ${range.start}`
  throw new OciError('BLOB_UPLOAD_INVALID', message, { status: 416 })
}

/**
 * @param length of the body in bytes, where it is known
 * @throws OciError `SIZE_INVALID`
 */
export function checkLength(range: ByteRange, length: number | undefined): void {
  const expected = range.end - range.start
  // An empty chunk has no last byte; clients that send one write 0-0.
  if (length === undefined || length === expected || (length === 0 && expected === 1)) return
  throw new OciError('SIZE_INVALID', `Content-Range speaks of ${expected} bytes, Content-Length of ${length}`)
}

/** Insist on the length of a body, bytes: no byte too many passes. */
export function exactly(length: number): BodyCheck {
  return {
    passed: (bytes) => {
      if (bytes > length) throw new OciError('SIZE_INVALID', `more than the ${length} bytes of Content-Range came`)
    },
    ended: (bytes) => {
      if (bytes === length) return
      throw new OciError('SIZE_INVALID', `${length - bytes} of the ${length} bytes of Content-Range did not come`)
    }
  }
}
