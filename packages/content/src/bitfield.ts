/**
 * A set of chunk numbers below a fixed length, one bit each, the first chunk in the highest bit of the first byte
 * (as in BitTorrent, BEP 3).
 */
export class Bitfield {
  readonly length: number
  readonly #bytes: Uint8Array
  #count = 0

  /** An empty set. @throws RangeError when the length is not a whole number. */
  constructor(length: number) {
    if (!Number.isSafeInteger(length) || length < 0) throw new RangeError(`a bitfield cannot have ${length} bits`)
    this.length = length
    this.#bytes = new Uint8Array(Math.ceil(length / 8))
  }

  /** The set of all numbers below `length`. */
  static full(length: number): Bitfield {
    const field = new Bitfield(length)
    field.#bytes.fill(0xff)
    const spare = field.#bytes.length * 8 - length
    if (spare > 0) field.#bytes[field.#bytes.length - 1] = (0xff << spare) & 0xff
    field.#count = length
    return field
  }

  /** Read what `bytes` gave. @throws RangeError when there are too many or too few bytes, or a bit past the end is set. */
  static from(bytes: Uint8Array, length: number): Bitfield {
    const field = new Bitfield(length)
    if (bytes.length !== field.#bytes.length) {
      throw new RangeError(`a bitfield of ${length} bits has ${field.#bytes.length} bytes, not ${bytes.length}`)
    }
    const spare = bytes.length * 8 - length
    if (((bytes.at(-1) ?? 0) & ((1 << spare) - 1)) !== 0) throw new RangeError('a bit past the end is set')
    field.#bytes.set(bytes)
    for (const byte of bytes) field.#count += onesIn(byte)
    return field
  }

  /** How many are in the set. */
  get count(): number {
    return this.#count
  }

  /** Whether all are in the set. */
  get complete(): boolean {
    return this.#count === this.length
  }

  /** A copy of the bits. */
  get bytes(): Uint8Array {
    return this.#bytes.slice()
  }

  /** @throws RangeError when `index` is out of bounds, as for `set` and `clear`. */
  has(index: number): boolean {
    return (this.#byteOf(index) & bitOf(index)) !== 0
  }

  /** Put `index` in the set; `true` when it was not there. */
  set(index: number): boolean {
    const byte = this.#byteOf(index)
    if ((byte & bitOf(index)) !== 0) return false
    this.#bytes[index >>> 3] = byte | bitOf(index)
    this.#count++
    return true
  }

  /** Take `index` out of the set; `true` when it was there. */
  clear(index: number): boolean {
    const byte = this.#byteOf(index)
    if ((byte & bitOf(index)) === 0) return false
    this.#bytes[index >>> 3] = byte & ~bitOf(index)
    this.#count--
    return true
  }

  /** The lowest number from `from` on that is not in the set, if any. */
  firstMissing(from = 0): number | undefined {
    let index = from
    while (index < this.length) {
      // Whole bytes of held chunks are passed at once: readers ask for this after every chunk.
      if ((index & 7) === 0 && this.#bytes[index >>> 3] === 0xff) index += 8
      else if (this.has(index)) index++
      else return index
    }
    return undefined
  }

  /** All numbers that are not in the set, lowest first. */
  *missing(): Generator<number, void, void> {
    for (let index = this.firstMissing(); index !== undefined; index = this.firstMissing(index + 1)) yield index
  }

  clone(): Bitfield {
    const copy = new Bitfield(this.length)
    copy.#bytes.set(this.#bytes)
    copy.#count = this.#count
    return copy
  }

  #byteOf(index: number): number {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) {
      throw new RangeError(`${index} is not below ${this.length}`)
    }
    return this.#bytes[index >>> 3] ?? 0
  }
}

function bitOf(index: number): number {
  return 0x80 >>> (index & 7)
}

function onesIn(byte: number): number {
  let ones = 0
  for (let rest = byte; rest !== 0; rest &= rest - 1) ones++
  return ones
}
