import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type Unverified, unverified } from '../../unverified.ts';
import { decodeCheckpoint, type SignedCheckpoint } from '../audit/checkpoint.ts';
import { isTreeSize, treeHashBytes } from '../audit/merkle.ts';
import type { TreeProof } from '../audit/proof.ts';
import { fromBase64, toBase64 } from '../base64.ts';
import { MalformedBytes, Reader } from '../msgpack/reader.ts';
import { strictly } from '../msgpack/strictly.ts';
import { type Utf8, Writer } from '../msgpack/writer.ts';

/** What a log asks of a witness over a link: to countersign its newest checkpoint. */
export interface CheckpointRequest {
  /** Comes back with the answer. */
  readonly id: number;
  /** The size that the witness cosigned last, as far as the log knows; 0 for none. */
  readonly oldSize: number;
  readonly proof: TreeProof;
  /** The checkpoint with the log’s signature. */
  readonly note: string;
}

/** The same, as it arrived. */
export interface ReceivedCheckpoint extends Omit<CheckpointRequest, 'note'> {
  readonly checkpoint: SignedCheckpoint;
}

/**
 * What the witness answers. `cosigned`: `text` is its signature line. `conflict`, `forked`: `text` is the checkpoint
 * that the log’s does not follow, signed by the log’s own key, or nothing. `refused`: `text` says why, for people.
 */
export interface CheckpointAnswer {
  readonly id: number;
  readonly verdict: (typeof verdicts)[number];
  readonly text: string;
}

const formatVersion = 1;
const verdicts = ['cosigned', 'conflict', 'forked', 'refused'] as const;
/** `old`, a proof of 63 hashes and the note. */
const bodyCharsMax = 64 + (limits.treeProofHashesMax + 1) * 45 + limits.noteCharsMax;
/** A UTF-16 unit takes at most three. */
const bytesPerChar = 3;

export interface FrameParts {
  readonly header: Uint8Array;
  readonly content: Uint8Array;
}

/** Header `[version, id]`; the content is the body of c2sp.org/tlog-witness’s add-checkpoint. */
export function encodeCheckpointRequest(utf8: Utf8, { id, oldSize, proof, note }: CheckpointRequest): FrameParts {
  const lines = [`old ${oldSize}`, ...proof.map(toBase64), '', note];
  return {
    header: new Writer(utf8, 16).array(2).uint(formatVersion).uint(id).finish(),
    content: utf8.encode(lines.join('\n')),
  };
}

/** Strict; MALFORMED, LIMIT_EXCEEDED. Nothing is verified yet. */
export function decodeCheckpointRequest(
  utf8: Utf8,
  { header, content }: FrameParts,
): Result<Unverified<ReceivedCheckpoint>> {
  const head = strictly('checkpoint frame', () => {
    const reader = new Reader(utf8, header);
    reader.arrayOf(2);
    readVersion(reader);
    const id = reader.uint();
    reader.end();
    return { id, body: readText(utf8, content) };
  });
  if (!head.ok) return head;
  const { id, body } = head.value.unverified;
  const end = body.indexOf('\n\n');
  const [first, ...hashes] = body.slice(0, Math.max(0, end)).split('\n');
  const size = /^old (0|[1-9]\d{0,15})$/.exec(first ?? '')?.[1];
  if (size === undefined || !isTreeSize(Number(size)))
    return refuse('MALFORMED', 'A checkpoint frame begins with the size that was cosigned last.');
  if (hashes.length > limits.treeProofHashesMax)
    return refuse('LIMIT_EXCEEDED', `A proof has at most ${limits.treeProofHashesMax} hashes.`);
  const proof: Uint8Array[] = [];
  for (const line of hashes) {
    const hash = fromBase64(line);
    if (hash?.length !== treeHashBytes) return refuse('MALFORMED', 'A hash is 32 bytes in base64.');
    proof.push(hash);
  }
  const checkpoint = decodeCheckpoint(body.slice(end + 2));
  if (!checkpoint.ok) return checkpoint;
  return ok(unverified({ id, oldSize: Number(size), proof, checkpoint: checkpoint.value.unverified }));
}

/** Header `[version, id, verdict]`. */
export function encodeCheckpointAnswer(utf8: Utf8, { id, verdict, text }: CheckpointAnswer): FrameParts {
  return {
    header: new Writer(utf8, 32).array(3).uint(formatVersion).uint(id).str(verdict).finish(),
    content: utf8.encode(text),
  };
}

/** Strict; MALFORMED. */
export function decodeCheckpointAnswer(
  utf8: Utf8,
  { header, content }: FrameParts,
): Result<Unverified<CheckpointAnswer>> {
  return strictly('answer to a checkpoint', () => {
    const reader = new Reader(utf8, header);
    reader.arrayOf(3);
    readVersion(reader);
    const id = reader.uint();
    const word = reader.str(16);
    reader.end();
    const verdict = verdicts.find((known) => known === word);
    if (!verdict) throw new MalformedBytes('unknown verdict');
    return { id, verdict, text: readText(utf8, content) };
  });
}

function readVersion(reader: Reader): void {
  if (reader.uint() !== formatVersion) throw new MalformedBytes('unknown version');
}

function readText(utf8: Utf8, bytes: Uint8Array): string {
  if (bytes.length > bodyCharsMax * bytesPerChar) throw new MalformedBytes('too long');
  try {
    return utf8.decode(bytes);
  } catch {
    throw new MalformedBytes('not UTF-8');
  }
}
