/** Version and variant bits of RFC 9562 §5.7. */
const versionAt = 6;
const variantAt = 8;
const form = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const digits: readonly number[] = [...'0123456789abcdef'].map((digit) => digit.charCodeAt(0));
const dash = '-'.charCodeAt(0);
/** Where each byte’s two digits begin in the text. */
const digitsAt: readonly number[] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const textLength = 36;

/**
 * A UUIDv7 in its text form: 48 bits of time, then chance.
 *
 * @param nowMs milliseconds since 1970
 * @param random 10 unpredictable bytes
 */
export function uuidV7(nowMs: number, random: Uint8Array): string {
  const bytes = new Uint8Array(16);
  const high = Math.floor(nowMs / 0x1_0000);
  bytes[0] = Math.floor(high / 0x100_0000);
  bytes[1] = (high >>> 16) & 0xff;
  bytes[2] = (high >>> 8) & 0xff;
  bytes[3] = high & 0xff;
  bytes[4] = (nowMs >>> 8) & 0xff;
  bytes[5] = nowMs & 0xff;
  bytes.set(random.subarray(0, 10), versionAt);
  bytes[versionAt] = 0x70 | (bytes[versionAt]! & 0x0f);
  bytes[variantAt] = 0x80 | (bytes[variantAt]! & 0x3f);
  return uuidText(bytes);
}

/** Whether a text is a UUIDv7 in lower case. */
export const isUuidV7 = (text: string): boolean => form.test(text);

/** The text of 16 bytes, whatever their version. */
export function uuidText(bytes: Uint8Array): string {
  // One flat text: pieces joined with + would be flattened later, by whoever hashes it first.
  const codes = new Array<number>(textLength).fill(dash);
  for (let i = 0; i < 16; i++) {
    const at = digitsAt[i]!;
    codes[at] = digits[bytes[i]! >> 4]!;
    codes[at + 1] = digits[bytes[i]! & 0x0f]!;
  }
  return String.fromCharCode(...codes);
}

/** The 16 bytes of a UUIDv7’s text. Throws RangeError for any other text: callers check with `isUuidV7`. */
export function uuidBytes(text: string): Uint8Array {
  if (!isUuidV7(text)) throw new RangeError('not a UUIDv7');
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 16; i++) bytes[i] = (valueAt(text, digitsAt[i]!) << 4) | valueAt(text, digitsAt[i]! + 1);
  return bytes;
}

/** Of a digit that is known to be one of 0-9 and a-f. */
function valueAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code < 0x3a ? code - 0x30 : code - 0x57;
}
