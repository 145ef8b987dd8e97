import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type Unverified, unverified } from '../../unverified.ts';
import { fromBase64, toBase64 } from '../base64.ts';
import { malformed, object, parsed, readShape, text } from '../json/shape.ts';
import { parseJson } from '../json/text.ts';
import type { Utf8 } from '../msgpack/writer.ts';
import { type CheckpointEvidence, keyJson, keysShape } from './evidence.ts';
import { isTreeSize, treeHashBytes } from './merkle.ts';
import type { TreeProof } from './proof.ts';

/** One record and all that shows that it is in the log: to be handed to somebody who was not there. */
export interface RecordProof extends CheckpointEvidence {
  /** The record’s exact bytes. */
  readonly record: Uint8Array;
  /** Its place in the tree, from 0: its sequence less one. */
  readonly index: number;
  readonly proof: TreeProof;
}

const firstLine = 'c2sp.org/tlog-proof@v1';

/**
 * The proof as a file (c2sp.org/tlog-proof), by custom `.tlog-proof`. The record and the certificates travel in the line
 * `extra`, which others skip.
 */
export function encodeProofFile({ record, keys, index, proof, note }: RecordProof, utf8: Utf8): string {
  const extra = JSON.stringify({ record: toBase64(record), keys: keys.map(keyJson) });
  const lines = [
    firstLine,
    `extra ${toBase64(utf8.encode(extra))}`,
    `index ${index}`,
    ...proof.map(toBase64),
    '',
    note,
  ];
  return lines.join('\n');
}

const shape = object({
  record: parsed(text(4 * Math.ceil(limits.auditRecordBytesMax / 3)), (encoded): Result<Uint8Array> => {
    const bytes = fromBase64(encoded);
    return bytes ? ok(bytes) : refuse('MALFORMED', 'Expected base64.');
  }),
  keys: keysShape,
});

/** Reads a proof file, strictly. Nothing of it is verified. MALFORMED, LIMIT_EXCEEDED. */
export function decodeProofFile(file: string, utf8: Utf8): Result<Unverified<RecordProof>> {
  if (file.length > 2 * limits.checkpointEvidenceCharsMax) return refuse('LIMIT_EXCEEDED', 'The proof is too long.');
  const end = file.indexOf('\n\n');
  const [first, extraLine, indexLine, ...hashes] = file.slice(0, Math.max(0, end)).split('\n');
  if (first !== firstLine) return refuse('MALFORMED', `A proof begins with the line ${firstLine}.`);
  const extra = readExtra(extraLine ?? '', utf8);
  if (!extra.ok) return extra;
  const index = /^index (0|[1-9]\d{0,15})$/.exec(indexLine ?? '')?.[1];
  if (index === undefined || !isTreeSize(Number(index)))
    return refuse('MALFORMED', 'A proof has a line “index” with a whole number.');
  if (hashes.length > limits.treeProofHashesMax)
    return refuse('LIMIT_EXCEEDED', `A proof has at most ${limits.treeProofHashesMax} hashes.`);
  const proof: Uint8Array[] = [];
  for (const line of hashes) {
    const hash = fromBase64(line);
    if (hash?.length !== treeHashBytes) return refuse('MALFORMED', 'A hash is 32 bytes in base64.');
    proof.push(hash);
  }
  return ok(unverified({ ...extra.value, index: Number(index), proof, note: file.slice(end + 2) }));
}

function readExtra(line: string, utf8: Utf8): Result<Pick<RecordProof, 'record' | 'keys'>> {
  const bytes = line.startsWith('extra ') ? fromBase64(line.slice('extra '.length)) : undefined;
  if (!bytes) return refuse('MALFORMED', 'A proof has a line “extra” with the record and the certificates in base64.');
  let decoded: string;
  try {
    decoded = utf8.decode(bytes);
  } catch {
    return refuse('MALFORMED', 'The line “extra” is not UTF-8.');
  }
  const json = parseJson(decoded, { charsMax: 2 * limits.checkpointEvidenceCharsMax, depthMax: 4 });
  return json.ok ? readShape(shape, json.value, malformed('The line “extra”')) : json;
}
