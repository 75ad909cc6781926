/** What can be wrong with a chunk map: its shape, or the signature over it. */
export type ChunkMapErrorCode = 'CHUNK_MAP_INVALID' | 'CHUNK_MAP_SIGNATURE'

/** A chunk map or a segment of one is not what it should be. Only the input is at fault. */
export class ChunkMapError extends Error {
  override readonly name = 'ChunkMapError'
  readonly code: ChunkMapErrorCode

  constructor(message: string, code: ChunkMapErrorCode = 'CHUNK_MAP_INVALID', options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The bytes given for a chunk do not have the SHA-256 that the chunk map names. Whoever sent them is at fault. */
export class ChunkMismatchError extends Error {
  override readonly name = 'ChunkMismatchError'
  readonly code = 'CHUNK_MISMATCH'
  readonly index: number

  constructor(index: number, message: string) {
    super(message)
    this.index = index
  }
}

/** A chunk was asked for that is not held. */
export class ChunkMissingError extends Error {
  override readonly name = 'ChunkMissingError'
  readonly code = 'CHUNK_MISSING'
  readonly index: number

  constructor(index: number) {
    super(`chunk ${index} is not held`)
    this.index = index
  }
}

/** The disk is full, or a quota is used up. Nothing half written is kept as if it were whole. */
export class StoreFullError extends Error {
  override readonly name = 'StoreFullError'
  readonly code = 'STORE_FULL'

  constructor(where: string, options?: ErrorOptions) {
    super(`no space left for ${where}: free disk space, or lower the cache size`, options)
  }
}

/** The store's directory is open in another process. */
export class StoreLockedError extends Error {
  override readonly name = 'StoreLockedError'
  readonly code = 'STORE_LOCKED'

  constructor(directory: string, options?: ErrorOptions) {
    super(`${directory} is in use by another process: stop it, or choose another data folder`, options)
  }
}

/** The store, or the part of it that was asked, was closed. */
export class StoreClosedError extends Error {
  override readonly name = 'StoreClosedError'
  readonly code = 'STORE_CLOSED'

  constructor(what = 'the content store') {
    super(`${what} is closed`)
  }
}

/** An ingest takes one call at a time. */
export class IngestBusyError extends Error {
  override readonly name = 'IngestBusyError'
  readonly code = 'INGEST_BUSY'

  constructor() {
    super('this ingest is already receiving or finishing: wait for the call before')
  }
}

/** The whole blobs are another process's: nothing is added or removed here. */
export class BorrowedBlobsError extends Error {
  override readonly name = 'BorrowedBlobsError'
  readonly code = 'BLOBS_BORROWED'

  constructor() {
    super('the blobs here are kept by another process; nothing can be added or removed')
  }
}
