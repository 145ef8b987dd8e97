/** One part of a transcript: text (UTF-8), bytes, or a whole number from 0 to 2⁵³ − 1. */
export type TranscriptPart = string | Uint8Array | number;

/**
 * Several values as one byte string that can be read in one way only: each part with its length in two bytes before it
 * (big-endian), numbers as eight bytes. For what is hashed, signed or authenticated together; nobody parses it.
 * Throws when a part is longer than 65,535 bytes or a number is not a whole one in range.
 */
export function transcript(...parts: readonly TranscriptPart[]): Uint8Array {
  const encoded = parts.map(bytesOf);
  const joined = Buffer.alloc(encoded.reduce((sum, part) => sum + 2 + part.length, 0));
  let at = 0;
  for (const part of encoded) {
    at = joined.writeUInt16BE(part.length, at);
    joined.set(part, at);
    at += part.length;
  }
  return new Uint8Array(joined.buffer, joined.byteOffset, joined.length);
}

function bytesOf(part: TranscriptPart): Uint8Array {
  if (typeof part === 'string') return Buffer.from(part, 'utf8');
  if (typeof part !== 'number') return part;
  const bytes = Buffer.alloc(8);
  writeU64(bytes, part, 0);
  return bytes;
}

/** Writes a whole number from 0 to 2⁵³ − 1 as eight bytes, big-endian. Throws for any other number. */
export function writeU64(bytes: Buffer, value: number, at: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError('The number is not whole, or out of range.');
  bytes.writeBigUInt64BE(BigInt(value), at);
}

/** Reads eight bytes, big-endian; undefined when the number is over 2⁵³ − 1. */
export function readU64(bytes: Buffer, at: number): number | undefined {
  const value = Number(bytes.readBigUInt64BE(at));
  return Number.isSafeInteger(value) ? value : undefined;
}
