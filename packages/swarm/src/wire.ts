/** The bytes at hand do not make the message that they should: the sender broke the protocol. */
export class WireError extends Error {
  readonly code = 'WIRE_INVALID'

  constructor(message: string) {
    super(message)
    this.name = 'WireError'
  }
}

/**
 * Reads big-endian fields from a received message, in order. Every length is checked against what is left before
 * anything is allocated, so a hostile length costs nothing. All reads throw {@link WireError} past the end.
 */
export class WireReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get remaining(): number {
    return this.#bytes.length - this.#position
  }

  #take(length: number): number {
    if (length > this.remaining) throw new WireError(`message ends ${length - this.remaining} bytes too early`)
    const at = this.#position
    this.#position += length
    return at
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2))
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4))
  }

  /** An unsigned 64-bit number that must fit a JavaScript integer. */
  u64(): number {
    const value = this.#view.getBigUint64(this.#take(8))
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new WireError(`number ${value} is too large`)
    return Number(value)
  }

  /** The next `length` bytes, as a view on the message. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length)
    return this.#bytes.subarray(at, at + length)
  }

  /** A byte string behind its u16 length, of at most `max` bytes. */
  block(max: number): Uint8Array {
    const length = this.u16()
    if (length > max) throw new WireError(`field of ${length} bytes, at most ${max} are allowed`)
    return this.bytes(length)
  }

  /** A UTF-8 string behind its u16 length, of at most `max` bytes. */
  text(max: number): string {
    const bytes = this.block(max)
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    } catch (cause) {
      throw Object.assign(new WireError('text field is not UTF-8'), { cause })
    }
  }

  /** A list behind its u16 length, of at most `max` items. */
  list<T>(max: number, item: () => T): T[] {
    const length = this.u16()
    if (length > max) throw new WireError(`list of ${length} items, at most ${max} are allowed`)
    const items: T[] = []
    for (let i = 0; i < length; i++) items.push(item())
    return items
  }

  /** Says that the message must end here. */
  end(): void {
    if (this.remaining > 0) throw new WireError(`${this.remaining} bytes too many at the end of a message`)
  }
}

/** Writes what {@link WireReader} reads. */
export class WireWriter {
  #bytes = new Uint8Array(64)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  /** Makes room for `length` bytes more and returns where they go. */
  #grow(length: number): number {
    const at = this.#length
    this.#length += length
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2))
      grown.set(this.#bytes)
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    return at
  }

  u8(value: number): this {
    const at = this.#grow(1)
    this.#view.setUint8(at, value)
    return this
  }

  u16(value: number): this {
    const at = this.#grow(2)
    this.#view.setUint16(at, value)
    return this
  }

  u32(value: number): this {
    const at = this.#grow(4)
    this.#view.setUint32(at, value)
    return this
  }

  u64(value: number): this {
    const at = this.#grow(8)
    this.#view.setBigUint64(at, BigInt(value))
    return this
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length)
    this.#bytes.set(value, at)
    return this
  }

  block(value: Uint8Array): this {
    return this.u16(value.length).bytes(value)
  }

  text(value: string): this {
    return this.block(new TextEncoder().encode(value))
  }

  list<T>(items: readonly T[], write: (item: T) => void): this {
    this.u16(items.length)
    for (const item of items) write(item)
    return this
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }
}
