import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type Unverified, unverified } from '../../unverified.ts';
import { fromBase64, toBase64 } from '../base64.ts';
import type { Utf8 } from '../msgpack/writer.ts';
import type { Sha256 } from './merkle.ts';

/** One line under a note (c2sp.org/signed-note). */
export interface NoteSignature {
  /** Whose key: no space, no plus. */
  readonly name: string;
  /** Four bytes that tell keys of one name apart; no proof of anything. */
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

/** A text and who signed it. */
export interface SignedNote {
  /** Ends with a line break, which is signed as well. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** What a key signs with: a note as it stands, or a checkpoint with the time (c2sp.org/tlog-cosignature). */
const noteKeyTypes = { ed25519: 0x01, cosignature: 0x04 } as const;

/** A key that is known beforehand. */
export interface NoteKey {
  readonly name: string;
  readonly type: keyof typeof noteKeyTypes;
  /** 32 bytes: Ed25519. */
  readonly publicKey: Uint8Array;
}

/** What the rules need of cryptography: passed in. */
export interface NoteCrypto {
  readonly sha256: Sha256;
  readonly utf8: Utf8;
  /** Whether it is an Ed25519 signature (RFC 8032) of the key over exactly these bytes. Must not throw. */
  readonly verify: (publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array) => boolean;
}

const dash = '— ';
/** Control characters but the line break; halves of a surrogate pair have no UTF-8. */
const unprintable = /[\p{Cs}]|(?!\n)[\p{Cc}]/u;
const keyName = /^[^\s+\p{Z}\p{Cc}]+$/u;
const keyIdBytes = 4;

const isKeyName = (name: string): boolean => name.length <= limits.noteKeyNameCharsMax && keyName.test(name);

/** The note as people pass it on. */
export const encodeNote = ({ text, signatures }: SignedNote): string =>
  `${text}\n${signatures.map(signatureLine).join('')}`;

/** One signature as a line, with its break. */
export function signatureLine({ name, keyId, signature }: NoteSignature): string {
  const bytes = new Uint8Array(keyIdBytes + signature.length);
  bytes.set(keyId);
  bytes.set(signature, keyIdBytes);
  return `${dash}${name} ${toBase64(bytes)}\n`;
}

/** Takes a note apart, believing nothing. MALFORMED, LIMIT_EXCEEDED. */
export function decodeNote(note: string): Result<Unverified<SignedNote>> {
  if (note.length > limits.noteCharsMax)
    return refuse('LIMIT_EXCEEDED', `A note has at most ${limits.noteCharsMax} characters.`);
  if (unprintable.test(note)) return refuse('MALFORMED', 'A note has no control characters but line breaks.');
  const end = note.lastIndexOf('\n\n');
  if (end === -1 || !note.endsWith('\n')) return refuse('MALFORMED', 'A note is a text, an empty line and signatures.');
  const lines = note.slice(end + 2, -1).split('\n');
  if (lines.length > limits.noteSignaturesMax)
    return refuse('LIMIT_EXCEEDED', `A note has at most ${limits.noteSignaturesMax} signatures.`);
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const signature = readSignatureLine(line);
    if (!signature) return refuse('MALFORMED', 'A signature line is a dash, the name of the key and base64.');
    signatures.push(signature);
  }
  return ok(unverified({ text: note.slice(0, end + 1), signatures }));
}

/** Reads a signature line without its break; undefined when it is none. */
export function readSignatureLine(line: string): NoteSignature | undefined {
  const [name, encoded, ...more] = line.startsWith(dash) ? line.slice(dash.length).split(' ') : [];
  if (name === undefined || encoded === undefined || more.length > 0 || !isKeyName(name)) return undefined;
  const bytes = fromBase64(encoded);
  if (!bytes || bytes.length <= keyIdBytes) return undefined;
  return { name, keyId: bytes.slice(0, keyIdBytes), signature: bytes.slice(keyIdBytes) };
}

/** The id of a key: the first bytes of SHA-256(name ‖ line break ‖ type ‖ public key). */
export function noteKeyId(
  { name, type, publicKey }: NoteKey,
  { sha256, utf8 }: Omit<NoteCrypto, 'verify'>,
): Uint8Array {
  const head = utf8.encode(`${name}\n`);
  const bytes = new Uint8Array(head.length + 1 + publicKey.length);
  bytes.set(head);
  bytes[head.length] = noteKeyTypes[type];
  bytes.set(publicKey, head.length + 1);
  return sha256(bytes).slice(0, keyIdBytes);
}

/** The signatures of one key. They are not checked yet. */
export function signaturesOf(note: SignedNote, key: NoteKey, crypto: NoteCrypto): readonly NoteSignature[] {
  const id = noteKeyId(key, crypto);
  return note.signatures.filter(({ name, keyId }) => name === key.name && keyId.every((byte, i) => byte === id[i]));
}
