import type { Utf8 } from '../../protocols/msgpack/writer.ts';

const encoder = new TextEncoder();
// A byte order mark is content like any other: dropping it would let two byte strings decode to the same text.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 for the rules, which know no TextEncoder. `decode` throws a TypeError on malformed bytes. */
export const utf8: Utf8 = {
  encode: (text) => encoder.encode(text),
  decode: (bytes) => decoder.decode(bytes),
};
