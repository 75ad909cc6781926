import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { type Header, type Pack, pack } from 'tar-stream'
import type { SampleEntry } from './sample-files.ts'

/** Every entry has this time, so that the same files give the same digest. */
const SAMPLE_MTIME = new Date(0)
const READ_BUFFER_BYTES = 256 * 1024

/**
 * The files of a layer as an uncompressed tar. Can be called again for the same bytes.
 *
 * @throws when a file cannot be read or is shorter than it was
 */
export async function* tarLayer(entries: readonly SampleEntry[]): AsyncGenerator<Uint8Array> {
  const archive = pack()
  const filling = fill(archive, entries).catch((error: Error) => {
    archive.destroy(error)
    throw error
  })
  // Whoever reads sees the error through the archive; without this it would also be an unhandled rejection.
  filling.catch(() => undefined)
  for await (const bytes of archive) yield bytes as Uint8Array
  await filling
}

async function fill(archive: Pack, entries: readonly SampleEntry[]): Promise<void> {
  for (const entry of entries) {
    if (entry.kind === 'file' && entry.size > 0) await addFile(archive, entry)
    else await addSmall(archive, entry)
  }
  archive.finalize()
}

function header(entry: SampleEntry): Partial<Header> & Pick<Header, 'name'> {
  const mode = entry.kind === 'directory' || entry.executable ? 0o755 : 0o644
  const base = {
    name: entry.name,
    size: entry.size,
    mode,
    mtime: SAMPLE_MTIME,
    uid: 0,
    gid: 0,
    type: entry.kind
  }
  return entry.kind === 'symlink' ? { ...base, linkname: entry.target } : base
}

async function addSmall(archive: Pack, entry: SampleEntry): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  archive.entry({ ...header(entry), size: 0 }, '', (error) => (error ? reject(error) : resolve()))
  await promise
}

async function addFile(archive: Pack, entry: SampleEntry): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const sink = archive.entry(header(entry), (error) => (error ? reject(error) : resolve()))
  sink.on('error', reject)
  // When reading fails, that is the error to tell of, not what follows from it here.
  promise.catch(() => undefined)
  const source = createReadStream(entry.source, { end: entry.size - 1, highWaterMark: READ_BUFFER_BYTES })
  for await (const bytes of source) {
    if (!sink.write(bytes)) await Promise.race([once(sink, 'drain'), promise])
  }
  sink.end(undefined)
  await promise
}
