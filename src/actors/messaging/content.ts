import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { utf8 } from '../kernel/utf8.ts';

/**
 * A message’s content: a value on one side, bytes on the other, converted at most once each way and only when asked.
 * Two agents of one node never share a mutable object: what is not a primitive is written to bytes when it is sent
 * and read from them when it is received.
 */
export class Content {
  readonly language: string;
  #bytes: Uint8Array | undefined;
  #value: unknown;
  #hasValue: boolean;

  private constructor(language: string, bytes: Uint8Array | undefined, value: unknown, hasValue: boolean) {
    this.language = language;
    this.#bytes = bytes;
    this.#value = value;
    this.#hasValue = hasValue;
  }

  /** From what an agent sends. MALFORMED when the language cannot say it, LIMIT_EXCEEDED past `contentBytesMax`. */
  static fromValue(value: unknown, language?: string): Result<Content> {
    const tongue = language ?? (typeof value === 'string' ? 'text' : value instanceof Uint8Array ? 'bytes' : 'json');
    let content: Content;
    // Not `slice`, which in a Buffer shares the memory.
    if (value instanceof Uint8Array) content = new Content(tongue, new Uint8Array(value), undefined, false);
    else if (tongue === 'json') {
      const text = toJson(value);
      if (text === undefined) return refuse('MALFORMED', 'The content cannot be written as JSON.');
      content = new Content(tongue, utf8.encode(text), undefined, false);
    } else if (typeof value === 'string') {
      if (loneSurrogate.test(value)) return refuse('MALFORMED', 'The content is not well-formed Unicode.');
      content = new Content(tongue, undefined, value, true);
    } else return refuse('MALFORMED', `Content in the language “${tongue}” must be a string or bytes.`);
    if (!content.#fits()) return refuse('LIMIT_EXCEEDED', `The content is over ${limits.contentBytesMax} bytes.`);
    return ok(content);
  }

  /** From what a link carried. The view is copied, because the frame’s buffer is not ours to keep. */
  static fromBytes(bytes: Uint8Array, language: string): Content {
    return new Content(language, new Uint8Array(bytes), undefined, false);
  }

  /** Three bytes a UTF-16 unit at most: short text need not be encoded to know that it fits. */
  #fits(): boolean {
    if (!this.#bytes && (this.#value as string).length * 3 <= limits.contentBytesMax) return true;
    return this.bytes.length <= limits.contentBytesMax;
  }

  get bytes(): Uint8Array {
    this.#bytes ??= utf8.encode(this.#value as string);
    return this.#bytes;
  }

  /** `json` parsed, `text` as a string, else the bytes. Bytes that are not in the language’s form stay bytes. */
  get value(): unknown {
    if (!this.#hasValue) {
      this.#value = read(this.language, this.#bytes!);
      this.#hasValue = true;
    }
    return this.#value;
  }

  /** The start of the content for people; at most `charsMax` characters. */
  preview(charsMax: number): string {
    const readable = this.language === 'json' || this.language === 'text';
    const text = readable ? readText(startOf(this.bytes, charsMax * 4)) : undefined;
    if (text === undefined) return `${this.bytes.length} bytes`;
    return text.length <= charsMax ? text : `${text.slice(0, charsMax - 1).replace(/[\ud800-\udbff]$/, '')}…`;
  }
}

/** Half of a surrogate pair: UTF-8 cannot carry it, and the receiver would read another text than was sent. */
const loneSurrogate = /\p{Surrogate}/u;

/** The first bytes, cut where a character of UTF-8 ends. */
function startOf(bytes: Uint8Array, bytesMax: number): Uint8Array {
  let end = Math.min(bytesMax, bytes.length);
  if (end < bytes.length) while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}

function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

function read(language: string, bytes: Uint8Array): unknown {
  if (language !== 'json' && language !== 'text') return bytes;
  const text = readText(bytes);
  if (text === undefined || language === 'text') return text ?? bytes;
  try {
    return JSON.parse(text);
  } catch {
    return bytes;
  }
}

function readText(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}
