/** Bytes as base64url without padding (RFC 4648 §5). */
export const toBase64url = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');

/**
 * Reads base64url strictly: no padding, no other alphabet, no white space, and no bits set that carry nothing. So every
 * byte string has exactly one text, and a text that was checked cannot be varied. Undefined when it is anything else.
 */
export function fromBase64url(text: string): Uint8Array | undefined {
  // Node skips what it does not know; only what writes back to the same text was canonical.
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? new Uint8Array(bytes) : undefined;
}
