import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { anyText, malformed, object, oneOf, readShape } from '../json/shape.ts';
import { parseJson } from '../json/text.ts';
import type { Utf8 } from '../msgpack/writer.ts';
import { decodeCheckpoint, type VerifiedCheckpoint } from './checkpoint.ts';
import { emptyRoot, type Sha256 } from './merkle.ts';
import { sameHash, type TreeHead, type TreeProof, verifyConsistency } from './proof.ts';
import { encodeNote } from './signed-note.ts';

/** A checkpoint that was cosigned, or that does not fit one. */
export interface SeenHead extends TreeHead {
  /** The whole note, with the log’s own signature: evidence for anybody who knows its key. */
  readonly note: string;
}

/**
 * In which way a log went back on its word. `rollback`: it is smaller than it was. `inconsistent`: it grew, and cannot
 * show that what was there before still is. `equivocation`: it signed two trees of one size.
 */
export type ForkKind = 'rollback' | 'inconsistent' | 'equivocation';

/** What a witness keeps of one log. */
export interface WitnessEntry {
  /** The last checkpoint that was cosigned; undefined before the first. */
  readonly head: SeenHead | undefined;
  /** What the log showed since then that does not fit. */
  readonly fork: (SeenHead & { readonly kind: ForkKind }) | undefined;
}

/** Before anything was seen of a log. */
export const unseenLog: WitnessEntry = { head: undefined, fork: undefined };

/** A checkpoint that a log wants cosigned; its signature has been checked. */
export interface Submission {
  /** The size that the log believes to have been cosigned last; 0 for none. */
  readonly oldSize: number;
  /** From that size on (RFC 9162 §2.1.4). */
  readonly proof: TreeProof;
  readonly checkpoint: VerifiedCheckpoint;
}

export interface WitnessJudgement {
  /** What to keep, durably, before anything is answered. */
  readonly entry: WitnessEntry;
  /**
   * `cosign`: its tree grew out of the last one that was cosigned. `conflict`: the log means another size than the last
   * one cosigned; nothing is wrong yet. `forked`: it went back on its word, or did before and has not been forgiven.
   */
  readonly verdict: 'cosign' | 'conflict' | 'forked';
  /** The fork was not known before: to be recorded and told. */
  readonly discovered?: ForkKind;
  /** A log that had not fitted fits again. */
  readonly healed?: boolean;
}

/**
 * Judges a submission (c2sp.org/tlog-witness, add-checkpoint). A log that showed two trees of one size is not cosigned
 * any more until a person forgives it; one that was merely smaller, or sent no proof that holds, is as soon as it proves
 * that it continues what was cosigned last.
 */
export function judgeSubmission(entry: WitnessEntry, submission: Submission, sha256: Sha256): WitnessJudgement {
  const { oldSize, proof, checkpoint } = submission;
  const known: TreeHead = entry.head ?? { size: 0, root: emptyRoot(sha256) };
  if (entry.fork?.kind === 'equivocation') return { entry, verdict: 'forked' };
  if (checkpoint.size < known.size) return forked(entry, 'rollback', checkpoint);
  if (checkpoint.size === known.size)
    // The answer may have been lost: it is given again, whatever the log believes.
    return sameHash(checkpoint.root, known.root)
      ? cosigned(entry, checkpoint)
      : forked(entry, 'equivocation', checkpoint);
  if (oldSize !== known.size) return { entry, verdict: 'conflict' };
  return verifyConsistency(known, checkpoint, proof, sha256).ok
    ? cosigned(entry, checkpoint)
    : forked(entry, 'inconsistent', checkpoint);
}

const seen = ({ size, root, note }: VerifiedCheckpoint): SeenHead => ({ size, root, note: encodeNote(note) });

function cosigned(entry: WitnessEntry, checkpoint: VerifiedCheckpoint): WitnessJudgement {
  const next: WitnessEntry = { head: seen(checkpoint), fork: undefined };
  return { entry: next, verdict: 'cosign', ...(entry.fork && { healed: true }) };
}

/** The first of a kind is kept: who goes on forking fills neither disk nor log. */
function forked(entry: WitnessEntry, kind: ForkKind, checkpoint: VerifiedCheckpoint): WitnessJudgement {
  if (entry.fork && (entry.fork.kind === kind || kind !== 'equivocation')) return { entry, verdict: 'forked' };
  return { entry: { ...entry, fork: { ...seen(checkpoint), kind } }, verdict: 'forked', discovered: kind };
}

const noteText = anyText(limits.noteCharsMax);
const entryShape = object(
  {},
  { head: noteText, fork: object({ kind: oneOf('rollback', 'inconsistent', 'equivocation'), note: noteText }) },
);

/** The entry as bytes for the store. */
export const encodeWitnessEntry = ({ head, fork }: WitnessEntry, utf8: Utf8): Uint8Array =>
  utf8.encode(JSON.stringify({ head: head?.note, fork: fork && { kind: fork.kind, note: fork.note } }));

/** Reads what `encodeWitnessEntry` wrote. MALFORMED, LIMIT_EXCEEDED. */
export function decodeWitnessEntry(bytes: Uint8Array, utf8: Utf8): Result<WitnessEntry> {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return refuse('MALFORMED', 'The witness’s note of a log is not UTF-8.');
  }
  const json = parseJson(text, { charsMax: 3 * limits.noteCharsMax, depthMax: 4 });
  if (!json.ok) return json;
  const read = readShape(entryShape, json.value, malformed('The witness’s note of a log'));
  if (!read.ok) return read;
  const head = read.value.head === undefined ? undefined : readHead(read.value.head);
  if (head?.ok === false) return head;
  const fork = read.value.fork && readHead(read.value.fork.note);
  if (fork?.ok === false) return fork;
  return ok({
    head: head?.value,
    fork: fork && read.value.fork ? { ...fork.value, kind: read.value.fork.kind } : undefined,
  });
}

/** Its signature was checked before it was kept. */
function readHead(note: string): Result<SeenHead> {
  const decoded = decodeCheckpoint(note);
  if (!decoded.ok) return decoded;
  const { size, root } = decoded.value.unverified;
  return ok({ size, root, note });
}
