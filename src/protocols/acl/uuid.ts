/** Version and variant bits of RFC 9562 §5.7. */
const versionAt = 6;
const variantAt = 8;
const form = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const hexOf: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

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
  let text = '';
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) text += '-';
    text += hexOf[bytes[i]!];
  }
  return text;
}

/** The 16 bytes of a UUIDv7’s text. Throws RangeError for any other text: callers check with `isUuidV7`. */
export function uuidBytes(text: string): Uint8Array {
  if (!isUuidV7(text)) throw new RangeError('not a UUIDv7');
  const digits = text.replaceAll('-', '');
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 16; i++) bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
