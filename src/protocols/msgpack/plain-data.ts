import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { MalformedBytes, Reader } from './reader.ts';
import { strictly } from './strictly.ts';
import { type Utf8, Writer } from './writer.ts';

/**
 * What crosses between programs as it is: null, booleans, numbers, well-formed text, bytes, and arrays and plain
 * objects of these. No classes, no functions, no cycles; a property that is `undefined` is as if it were not there.
 */
export type PlainData =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly PlainData[]
  | { readonly [key: string]: PlainData };

export interface PlainDataBounds {
  readonly bytesMax: number;
}

/** How one who sends names what is no plain data and may go as text all the same; `undefined`: it may not go. */
export type TextOf = (value: object) => string | undefined;

/** What was read, and about how many bytes of memory it takes: a byte on the wire may stand for an object. */
export interface WeighedData {
  readonly data: PlainData;
  readonly weightBytes: number;
}

/** An empty object or array, or a number in a field of one, takes no more. */
const valueBytes = 64;
const unspeakable = '__proto__';
const loneSurrogate = /\p{Surrogate}/u;

class NotPlain extends Error {
  override readonly name = 'NotPlain';
}

class TooLarge extends Error {
  override readonly name = 'TooLarge';
}

/**
 * Writes data as MessagePack. MALFORMED: it is not plain, or deeper than `limits.plainDepthMax` (as every cycle is).
 * LIMIT_EXCEEDED: over `bytesMax` or `limits.plainValuesMax`. Never throws, whatever a getter of the value does.
 */
export function encodePlainData(
  utf8: Utf8,
  data: unknown,
  bounds: PlainDataBounds,
  textOf: TextOf,
): Result<Uint8Array> {
  const writer = new Writer(utf8, 256);
  try {
    new PlainWriter(writer, bounds.bytesMax, textOf).write(data, 0);
    if (writer.length > bounds.bytesMax) throw new TooLarge(`over ${bounds.bytesMax} bytes`);
    return ok(writer.finish());
  } catch (error) {
    if (error instanceof TooLarge) return refuse('LIMIT_EXCEEDED', `The data is too large: ${error.message}.`);
    // What else is thrown comes from the value’s own code, a getter or a proxy.
    const why = error instanceof NotPlain ? error.message : 'reading it failed';
    return refuse('MALFORMED', `Only plain data can be sent: ${why}.`);
  }
}

/**
 * Strict and bounded; MALFORMED. What it gives has no prototype of ours to be confused with: no `__proto__`, no key
 * twice, bytes copied.
 */
export function decodePlainData(utf8: Utf8, bytes: Uint8Array, bounds: PlainDataBounds) {
  return strictly('data', (): WeighedData => {
    if (bytes.length > bounds.bytesMax) throw new MalformedBytes(`over ${bounds.bytesMax} bytes`);
    const reader = new PlainReader(new Reader(utf8, bytes), bytes.length);
    const data = reader.read(0);
    reader.end();
    return { data, weightBytes: 2 * bytes.length + reader.values * valueBytes };
  });
}

/** Such keys stand first in an object and by their numbers, wherever they were put (ECMA-262 §10.1.11.1); others: infinity. */
const arrayIndexOf = (key: string): number =>
  /^(?:0|[1-9][0-9]{0,9})$/.test(key) && Number(key) < 2 ** 32 - 1 ? Number(key) : Number.POSITIVE_INFINITY;

class PlainWriter {
  readonly #writer: Writer;
  readonly #bytesMax: number;
  readonly #textOf: TextOf;
  #values = 0;

  constructor(writer: Writer, bytesMax: number, textOf: TextOf) {
    this.#writer = writer;
    this.#bytesMax = bytesMax;
    this.#textOf = textOf;
  }

  write(value: unknown, depth: number): void {
    if (++this.#values > limits.plainValuesMax) throw new TooLarge(`over ${limits.plainValuesMax} values`);
    if (this.#writer.length > this.#bytesMax) throw new TooLarge(`over ${this.#bytesMax} bytes`);
    if (value === null) this.#writer.nil();
    else if (typeof value === 'string') this.#text(value);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'boolean') this.#writer.bool(value);
    else if (typeof value === 'object') this.#object(value, depth);
    else throw new NotPlain(`a value is a ${typeof value}`);
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) this.#writer.int(value);
    else this.#writer.float(value);
  }

  #text(text: string): void {
    this.#room(text.length);
    // UTF-8 cannot carry half a pair, and the receiver would read another text than was sent.
    if (loneSurrogate.test(text)) throw new NotPlain('a text is not well-formed Unicode');
    this.#writer.str(text);
  }

  #object(value: object, depth: number): void {
    if (depth >= limits.plainDepthMax) throw new NotPlain(`it is nested deeper than ${limits.plainDepthMax}`);
    if (value instanceof Uint8Array) {
      this.#room(value.length);
      this.#writer.bin(value);
    } else if (Array.isArray(value)) {
      if (value.length > limits.plainValuesMax) throw new TooLarge(`over ${limits.plainValuesMax} values`);
      this.#writer.array(value.length);
      for (const item of value as readonly unknown[]) this.write(item, depth + 1);
    } else this.#properties(value, depth);
  }

  #properties(value: object, depth: number): void {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      const text = this.#textOf(value);
      if (text === undefined) throw new NotPlain('a value is of a class');
      this.#text(text);
      return;
    }
    const entries = Object.entries(value).filter(([, property]) => property !== undefined);
    if (entries.length > limits.plainValuesMax) throw new TooLarge(`over ${limits.plainValuesMax} values`);
    this.#writer.map(entries.length);
    for (const [key, property] of entries) {
      if (key === unspeakable) throw new NotPlain(`a key is ${unspeakable}`);
      this.#text(key);
      this.write(property, depth + 1);
    }
  }

  #room(bytes: number): void {
    if (bytes > this.#bytesMax) throw new TooLarge(`over ${this.#bytesMax} bytes`);
  }
}

class PlainReader {
  readonly #reader: Reader;
  readonly #bytesMax: number;
  values = 0;

  constructor(reader: Reader, bytesMax: number) {
    this.#reader = reader;
    this.#bytesMax = bytesMax;
  }

  end(): void {
    this.#reader.end();
  }

  read(depth: number): PlainData {
    if (++this.values > limits.plainValuesMax) throw new MalformedBytes(`over ${limits.plainValuesMax} values`);
    const code = this.#reader.code;
    if (code <= 0x7f || code >= 0xe0 || (code >= 0xcc && code <= 0xd3)) return this.#reader.int();
    if ((code >= 0xa0 && code <= 0xbf) || (code >= 0xd9 && code <= 0xdb)) return this.#reader.str(this.#bytesMax);
    if (code === 0xc0) {
      this.#reader.nil();
      return null;
    }
    if (code === 0xc2 || code === 0xc3) return this.#reader.bool();
    if (code === 0xcb) return this.#reader.float();
    if (depth >= limits.plainDepthMax) throw new MalformedBytes(`nested deeper than ${limits.plainDepthMax}`);
    if (code >= 0xc4 && code <= 0xc6) return new Uint8Array(this.#reader.bin(this.#bytesMax));
    if ((code >= 0x90 && code <= 0x9f) || code === 0xdc) return this.#array(depth);
    if (code <= 0x8f || code === 0xde) return this.#map(depth);
    throw new MalformedBytes(`type ${code}, which plain data has not`);
  }

  #array(depth: number): PlainData[] {
    const items: PlainData[] = [];
    for (let left = this.#reader.array(limits.plainValuesMax); left > 0; left--) items.push(this.read(depth + 1));
    return items;
  }

  #map(depth: number): { readonly [key: string]: PlainData } {
    const properties: Record<string, PlainData> = {};
    let last = -1;
    for (let left = this.#reader.map(limits.plainValuesMax); left > 0; left--) {
      const key = this.#reader.str(this.#bytesMax);
      if (key === unspeakable) throw new MalformedBytes(`a key is ${unspeakable}`);
      if (Object.hasOwn(properties, key)) throw new MalformedBytes('a key stands twice');
      const index = arrayIndexOf(key);
      if (index < last) throw new MalformedBytes('keys are not in the order of an object');
      last = index;
      properties[key] = this.read(depth + 1);
    }
    return properties;
  }
}
