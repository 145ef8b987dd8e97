import type { Utf8 } from './writer.ts';

/**
 * A strict MessagePack reader for untrusted bytes. The caller states what it expects, field by field; anything else,
 * a longer form than needed, a length past the end or over the caller’s bound, throws `MalformedBytes`, which the
 * decoder that drives the reader turns into a refusal at its edge. Nothing is allocated before it is bounded.
 */
export class MalformedBytes extends Error {
  override readonly name = 'MalformedBytes';
}

export class Reader {
  readonly #utf8: Utf8;
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(utf8: Utf8, bytes: Uint8Array, offset = 0) {
    this.#utf8 = utf8;
    this.#bytes = bytes;
    this.#at = offset;
  }

  /** Where the next value starts. */
  get offset(): number {
    return this.#at;
  }

  /** Refuses bytes after the last expected value. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw new MalformedBytes('bytes after the end');
  }

  /** The first byte of the next value, which says its type. */
  get code(): number {
    const code = this.#bytes[this.#at];
    if (code === undefined) throw new MalformedBytes('cut short');
    return code;
  }

  /** Takes a nil if one is next. */
  nil(): boolean {
    if (this.#bytes[this.#at] !== 0xc0) return false;
    this.#at++;
    return true;
  }

  bool(): boolean {
    const code = this.#byte();
    if (code === 0xc3) return true;
    if (code === 0xc2) return false;
    throw new MalformedBytes('expected a boolean');
  }

  /** A non-negative integer up to `max` (itself at most 2^53−1). */
  uint(max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#uint();
    if (value > max) throw new MalformedBytes(`integer over ${max}`);
    return value;
  }

  /** An integer of either sign, at most 2^53−1 from zero. */
  int(): number {
    const code = this.code;
    if (code < 0xd0 || (code > 0xd3 && code < 0xe0)) return this.uint();
    this.#at++;
    if (code >= 0xe0) return code - 0x100;
    let value: number;
    let most: number;
    if (code === 0xd0) [value, most] = [(this.#byte() << 24) >> 24, -0x21];
    else if (code === 0xd1) [value, most] = [((this.#byte() * 0x100 + this.#byte()) << 16) >> 16, -0x81];
    else if (code === 0xd2) [value, most] = [this.#uint32() | 0, -0x8001];
    else [value, most] = [(this.#uint32() | 0) * 0x100000000 + this.#uint32(), -0x80000001];
    if (value > most) throw new MalformedBytes('integer longer than needed');
    if (!Number.isSafeInteger(value)) throw new MalformedBytes('integer under −2^53+1');
    return value;
  }

  /** A number that no integer form can say. */
  float(): number {
    if (this.#byte() !== 0xcb) throw new MalformedBytes('expected a number in 64 bits');
    const bytes = this.#take(8, 8);
    const value = new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0);
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) throw new MalformedBytes('number longer than needed');
    if (
      Number.isNaN(value) &&
      !(bytes[0] === 0x7f && bytes[1] === 0xf8 && bytes.subarray(2).every((byte) => byte === 0))
    )
      throw new MalformedBytes('a NaN that hides something');
    return value;
  }

  str(bytesMax: number): string {
    const code = this.#byte();
    const length = code >= 0xa0 && code <= 0xbf ? code & 0x1f : this.#length(code, 0xd9, 32);
    const bytes = this.#take(length, bytesMax);
    let text = '';
    for (let i = 0; i < bytes.length; i++) {
      const unit = bytes[i]!;
      if (unit > 0x7f || bytes.length > 256) return this.#decode(bytes);
      text += String.fromCharCode(unit);
    }
    return text;
  }

  /** A view into the input, not a copy. */
  bin(bytesMax: number): Uint8Array {
    return this.#take(this.#length(this.#byte(), 0xc4, 0), bytesMax);
  }

  /** A `bin` of exactly this length. */
  binOf(length: number): Uint8Array {
    const bytes = this.bin(length);
    if (bytes.length !== length) throw new MalformedBytes(`expected ${length} bytes, got ${bytes.length}`);
    return bytes;
  }

  /** The count of an array’s items, at most `countMax`. */
  array(countMax: number): number {
    const code = this.#byte();
    let count: number;
    if (code >= 0x90 && code <= 0x9f) count = code & 0x0f;
    else if (code === 0xdc) {
      count = this.#byte() * 0x100 + this.#byte();
      if (count < 16) throw new MalformedBytes('array head longer than needed');
    } else throw new MalformedBytes('expected an array');
    if (count > countMax) throw new MalformedBytes(`array of ${count} items, at most ${countMax}`);
    return count;
  }

  /** The head of an array of exactly `count` items. */
  arrayOf(count: number): void {
    const found = this.array(count);
    if (found !== count) throw new MalformedBytes(`expected ${count} items, got ${found}`);
  }

  /** The count of a map’s entries, at most `countMax`. */
  map(countMax: number): number {
    const code = this.#byte();
    let count: number;
    if (code >= 0x80 && code <= 0x8f) count = code & 0x0f;
    else if (code === 0xde) {
      count = this.#byte() * 0x100 + this.#byte();
      if (count < 16) throw new MalformedBytes('map head longer than needed');
    } else throw new MalformedBytes('expected a map');
    if (count > countMax) throw new MalformedBytes(`map of ${count} entries, at most ${countMax}`);
    return count;
  }

  #decode(bytes: Uint8Array): string {
    try {
      return this.#utf8.decode(bytes);
    } catch {
      throw new MalformedBytes('text is not UTF-8');
    }
  }

  #uint(): number {
    const code = this.#byte();
    if (code < 0x80) return code;
    let value: number;
    let least: number;
    if (code === 0xcc) [value, least] = [this.#byte(), 0x80];
    else if (code === 0xcd) [value, least] = [this.#byte() * 0x100 + this.#byte(), 0x100];
    else if (code === 0xce) [value, least] = [this.#uint32(), 0x10000];
    else if (code === 0xcf) [value, least] = [this.#uint32() * 0x100000000 + this.#uint32(), 0x100000000];
    else throw new MalformedBytes('expected an unsigned integer');
    if (value < least) throw new MalformedBytes('integer longer than needed');
    if (!Number.isSafeInteger(value)) throw new MalformedBytes('integer over 2^53−1');
    return value;
  }

  #length(code: number, code8: number, least8: number): number {
    if (code === code8) return this.#atLeast(this.#byte(), least8);
    if (code === code8 + 1) return this.#atLeast(this.#byte() * 0x100 + this.#byte(), 0x100);
    if (code === code8 + 2) return this.#atLeast(this.#uint32(), 0x10000);
    throw new MalformedBytes(code8 === 0xc4 ? 'expected bytes' : 'expected text');
  }

  #atLeast(value: number, least: number): number {
    if (value < least) throw new MalformedBytes('length longer than needed');
    return value;
  }

  #take(length: number, bytesMax: number): Uint8Array {
    if (length > bytesMax) throw new MalformedBytes(`${length} bytes, at most ${bytesMax}`);
    if (this.#at + length > this.#bytes.length) throw new MalformedBytes('cut short');
    const view = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return view;
  }

  #uint32(): number {
    return this.#byte() * 0x1000000 + this.#byte() * 0x10000 + this.#byte() * 0x100 + this.#byte();
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new MalformedBytes('cut short');
    this.#at++;
    return byte;
  }
}
