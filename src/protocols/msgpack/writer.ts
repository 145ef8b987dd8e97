/**
 * A MessagePack writer for the types that we use: nil, bool, safe integers, float 64, str, bin, array, map.
 * Always the shortest form, so that equal values have equal bytes. https://github.com/msgpack/msgpack/blob/master/spec.md
 */

/** UTF-8 conversion, passed in because the rules know no TextEncoder. `decode` throws on malformed input. */
export interface Utf8 {
  encode(text: string): Uint8Array;
  decode(bytes: Uint8Array): string;
}

export class Writer {
  readonly #utf8: Utf8;
  #bytes: Uint8Array;
  #length = 0;

  constructor(utf8: Utf8, capacityBytes = 512) {
    this.#utf8 = utf8;
    this.#bytes = new Uint8Array(capacityBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** A copy of what was written; the writer can go on. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  reset(): void {
    this.#length = 0;
  }

  nil(): this {
    this.#byte(0xc0);
    return this;
  }

  bool(value: boolean): this {
    this.#byte(value ? 0xc3 : 0xc2);
    return this;
  }

  /** A non-negative integer up to 2^53−1. */
  uint(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not an unsigned safe integer: ${value}`);
    if (value < 0x80) this.#byte(value);
    else if (value < 0x100) this.#byte(0xcc, value);
    else if (value < 0x10000) this.#byte(0xcd, value >>> 8, value & 0xff);
    else if (value < 0x100000000) {
      this.#byte(0xce);
      this.#uint32(value);
    } else {
      this.#byte(0xcf);
      this.#uint32(Math.floor(value / 0x100000000));
      this.#uint32(value % 0x100000000);
    }
    return this;
  }

  /** A safe integer of either sign. */
  int(value: number): this {
    if (value >= 0) return this.uint(value);
    if (!Number.isSafeInteger(value)) throw new RangeError(`not a safe integer: ${value}`);
    if (value >= -0x20) this.#byte(value & 0xff);
    else if (value >= -0x80) this.#byte(0xd0, value & 0xff);
    else if (value >= -0x8000) this.#byte(0xd1, (value >>> 8) & 0xff, value & 0xff);
    else if (value >= -0x80000000) {
      this.#byte(0xd2);
      this.#uint32(value);
    } else {
      const low = ((value % 0x100000000) + 0x100000000) % 0x100000000;
      this.#byte(0xd3);
      this.#uint32((value - low) / 0x100000000);
      this.#uint32(low);
    }
    return this;
  }

  /** A number in 64 bits, whatever it is. */
  float(value: number): this {
    this.#byte(0xcb);
    this.#reserve(8);
    new DataView(this.#bytes.buffer, this.#length, 8).setFloat64(0, value);
    this.#length += 8;
    return this;
  }

  str(text: string): this {
    const ascii = isShortAscii(text);
    const encoded = ascii ? undefined : this.#utf8.encode(text);
    const length = encoded ? encoded.length : text.length;
    if (length < 32) this.#byte(0xa0 | length);
    else this.#lengthHead(length, 0xd9);
    if (encoded) this.raw(encoded);
    else {
      this.#reserve(length);
      for (let i = 0; i < length; i++) this.#bytes[this.#length++] = text.charCodeAt(i);
    }
    return this;
  }

  bin(bytes: Uint8Array): this {
    this.#lengthHead(bytes.length, 0xc4);
    return this.raw(bytes);
  }

  /** The head of an array; its items are written next. */
  array(count: number): this {
    if (count < 16) this.#byte(0x90 | count);
    else if (count < 0x10000) this.#byte(0xdc, count >>> 8, count & 0xff);
    else throw new RangeError(`array too long: ${count}`);
    return this;
  }

  /** The head of a map; its keys and values are written next, in turn. */
  map(count: number): this {
    if (count < 16) this.#byte(0x80 | count);
    else if (count < 0x10000) this.#byte(0xde, count >>> 8, count & 0xff);
    else throw new RangeError(`map too long: ${count}`);
    return this;
  }

  /** Bytes as they are: only for what is MessagePack already. */
  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  #lengthHead(length: number, code8: number): void {
    if (length < 0x100) this.#byte(code8, length);
    else if (length < 0x10000) this.#byte(code8 + 1, length >>> 8, length & 0xff);
    else {
      this.#byte(code8 + 2);
      this.#uint32(length);
    }
  }

  #uint32(value: number): void {
    this.#byte((value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
  }

  #byte(a: number, b?: number, c?: number, d?: number): void {
    this.#reserve(4);
    this.#bytes[this.#length++] = a;
    if (b !== undefined) this.#bytes[this.#length++] = b;
    if (c !== undefined) this.#bytes[this.#length++] = c;
    if (d !== undefined) this.#bytes[this.#length++] = d;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

function isShortAscii(text: string): boolean {
  if (text.length > 256) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}
