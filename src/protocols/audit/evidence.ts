import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isNodeId } from '../../names.ts';
import { type Unverified, unverified } from '../../unverified.ts';
import { fromBase64, toBase64 } from '../base64.ts';
import { anyText, list, malformed, name, object, parsed, readShape, text } from '../json/shape.ts';
import { parseJson } from '../json/text.ts';
import type { DirectoryEntry } from '../link/push-pull-frame.ts';

/** A checkpoint and what vouches for the keys that signed it: enough for whoever has the CA’s certificate. */
export interface CheckpointEvidence {
  /** The signed note. */
  readonly note: string;
  /** Of the log’s node and of its witnesses. */
  readonly keys: readonly DirectoryEntry[];
}

/** The evidence as one line of JSON. */
export const encodeCheckpointEvidence = ({ note, keys }: CheckpointEvidence): string =>
  JSON.stringify({ note, keys: keys.map(keyJson) });

/** A directory entry as JSON: bytes in base64. */
export const keyJson = ({ nodeId, certificate, binding }: DirectoryEntry) => ({
  nodeId,
  certificate: toBase64(certificate),
  binding: toBase64(binding),
});

const bytes = (max: number) =>
  parsed(text(4 * Math.ceil(max / 3)), (encoded): Result<Uint8Array> => {
    const read = fromBase64(encoded);
    return read ? ok(read) : refuse('MALFORMED', 'Expected base64.');
  });

/** A node’s certificate and binding, as `keyJson` writes them. */
const keyShape = object({
  nodeId: name(isNodeId, 'a node id'),
  certificate: bytes(limits.certificateBytesMax),
  binding: bytes(512),
});
export const keysShape = list(keyShape, limits.noteSignaturesMax);

const shape = object({ note: anyText(limits.noteCharsMax), keys: keysShape });

/** Reads one line of evidence. Nothing of it is verified. MALFORMED, LIMIT_EXCEEDED. */
export function decodeCheckpointEvidence(line: string): Result<Unverified<CheckpointEvidence>> {
  const json = parseJson(line, { charsMax: limits.checkpointEvidenceCharsMax, depthMax: 4 });
  if (!json.ok) return json;
  const read = readShape(shape, json.value, malformed('The checkpoint'));
  return read.ok ? ok(unverified(read.value)) : read;
}
