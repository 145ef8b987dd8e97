import type { NoteCrypto, NoteKey, NoteSignature } from './signed-note.ts';

/** A witness’s word that a checkpoint’s tree grew out of every tree of this log that it saw before. */
export interface Cosignature {
  /** The witness’s key name. */
  readonly name: string;
  /** When it was given, in seconds since 1970. */
  readonly timeSeconds: number;
}

const timeBytes = 8;
const signatureBytes = 64;

/** What a witness signs (c2sp.org/tlog-cosignature): a fixed line, the time and the checkpoint’s text. */
export const cosignedText = (text: string, timeSeconds: number): string =>
  `cosignature/v1\ntime ${timeSeconds}\n${text}`;

/** Time and signature as a note carries them. Throws for a time that is no whole number of seconds. */
export function cosignatureBytes(timeSeconds: number, signature: Uint8Array): Uint8Array {
  if (!Number.isSafeInteger(timeSeconds) || timeSeconds < 1) throw new RangeError('A cosignature has a time.');
  const bytes = new Uint8Array(timeBytes + signature.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(timeSeconds / 2 ** 32));
  view.setUint32(4, timeSeconds % 2 ** 32);
  bytes.set(signature, timeBytes);
  return bytes;
}

/** The time in a signature of a witness, in seconds since 1970; undefined when it is of another form. */
export function cosignatureTime(signature: Uint8Array): number | undefined {
  if (signature.length !== timeBytes + signatureBytes) return undefined;
  const view = new DataView(signature.buffer, signature.byteOffset);
  const timeSeconds = view.getUint32(0) * 2 ** 32 + view.getUint32(4);
  return Number.isSafeInteger(timeSeconds) && timeSeconds > 0 ? timeSeconds : undefined;
}

/** The cosignature, when it is one of this key over this text; undefined otherwise. */
export function readCosignature(
  text: string,
  { signature }: NoteSignature,
  key: NoteKey,
  { utf8, verify }: NoteCrypto,
): Cosignature | undefined {
  const timeSeconds = cosignatureTime(signature);
  if (timeSeconds === undefined) return undefined;
  const bytes = utf8.encode(cosignedText(text, timeSeconds));
  return verify(key.publicKey, bytes, signature.subarray(timeBytes)) ? { name: key.name, timeSeconds } : undefined;
}
