import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type Unverified, unverified } from '../../unverified.ts';
import { fromBase64, toBase64 } from '../base64.ts';
import { type Cosignature, readCosignature } from './cosignature.ts';
import { isTreeSize, treeHashBytes } from './merkle.ts';
import type { TreeHead } from './proof.ts';
import { decodeNote, type NoteCrypto, type NoteKey, type SignedNote, signaturesOf } from './signed-note.ts';

/** What a log says of itself at one moment (c2sp.org/tlog-checkpoint). */
export interface Checkpoint extends TreeHead {
  /** Which log. */
  readonly origin: string;
  /** Lines behind the three, without meaning here; never empty ones. */
  readonly extensions: readonly string[];
}

/** A checkpoint as it was read, with its note. Comes only inside `Unverified`. */
export interface SignedCheckpoint extends Checkpoint {
  readonly note: SignedNote;
}

/** A checkpoint that its log’s key signed, and which of the known witnesses countersigned it. */
export interface VerifiedCheckpoint extends Checkpoint {
  readonly note: SignedNote;
  readonly cosignatures: readonly Cosignature[];
}

/** The name of a node’s audit log in its checkpoints, which is the name of the log’s key as well. */
export const logOrigin = (trustDomain: string, nodeId: string): string => `${trustDomain}/node/${nodeId}/audit`;
/** The name under which a node countersigns the checkpoints of others. */
export const witnessName = (trustDomain: string, nodeId: string): string => `${trustDomain}/node/${nodeId}/witness`;

/** The text that is signed. Throws for what could be read as another checkpoint. */
export function checkpointText({ origin, size, root, extensions }: Checkpoint): string {
  if (!isTreeSize(size) || root.length !== treeHashBytes) throw new TypeError('A checkpoint has a size and a root.');
  const lines = [origin, String(size), toBase64(root), ...extensions];
  if (lines.some((line) => line === '' || /[\p{Cc}\p{Cs}]/u.test(line)))
    throw new TypeError('A checkpoint’s lines are neither empty nor broken.');
  return `${lines.join('\n')}\n`;
}

/** Reads a signed checkpoint, strictly. MALFORMED, LIMIT_EXCEEDED. */
export function decodeCheckpoint(text: string): Result<Unverified<SignedCheckpoint>> {
  const note = decodeNote(text);
  if (!note.ok) return note;
  const { unverified: signed } = note.value;
  const [origin, size, root, ...extensions] = signed.text.slice(0, -1).split('\n');
  if (!origin || !size || !root || extensions.includes(''))
    return refuse('MALFORMED', 'A checkpoint has at least three lines, none of them empty.');
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || !isTreeSize(Number(size)))
    return refuse('MALFORMED', 'A checkpoint’s size is a whole number up to 2⁵³ − 1 without leading zeros.');
  const hash = fromBase64(root);
  if (hash?.length !== treeHashBytes) return refuse('MALFORMED', 'A checkpoint’s root is 32 bytes in base64.');
  if (extensions.length > limits.noteSignaturesMax)
    return refuse('LIMIT_EXCEEDED', `A checkpoint has at most ${limits.noteSignaturesMax} lines more than three.`);
  return ok(unverified({ origin, size: Number(size), root: hash, extensions, note: signed }));
}

/** Whom to believe about one log. */
export interface CheckpointKeys {
  /** Of type `ed25519`; its name is the origin. */
  readonly log: NoteKey;
  /** Of type `cosignature`. Signatures of others are ignored. */
  readonly witnesses: readonly NoteKey[];
}

/**
 * Believes a checkpoint if its log’s key signed it, and counts its witnesses. A signature of a known key that does not
 * fit refuses the whole (c2sp.org/signed-note). SIGNATURE_INVALID.
 */
export function verifyCheckpoint(
  { unverified: signed }: Unverified<SignedCheckpoint>,
  { log, witnesses }: CheckpointKeys,
  crypto: NoteCrypto,
): Result<VerifiedCheckpoint> {
  const { note, origin } = signed;
  if (origin !== log.name) return refuse('SIGNATURE_INVALID', 'The checkpoint is one of another log.');
  const bytes = crypto.utf8.encode(note.text);
  const own = signaturesOf(note, log, crypto);
  if (own.length === 0) return refuse('SIGNATURE_INVALID', 'The checkpoint is not signed with its log’s key.');
  if (!own.every(({ signature }) => crypto.verify(log.publicKey, bytes, signature)))
    return refuse('SIGNATURE_INVALID', 'The log’s signature does not fit the checkpoint.');
  const cosignatures: Cosignature[] = [];
  for (const witness of witnesses) {
    const given = signaturesOf(note, witness, crypto).map((one) => readCosignature(note.text, one, witness, crypto));
    if (given.includes(undefined))
      return refuse('SIGNATURE_INVALID', `The cosignature of ${witness.name} does not fit the checkpoint.`);
    // One who signs twice is still one witness; the later word counts.
    const latest = given.reduce((a, b) => (a && b && a.timeSeconds > b.timeSeconds ? a : b), undefined);
    if (latest) cosignatures.push(latest);
  }
  return ok({ ...signed, cosignatures });
}
