import { ok, type Result, refuse } from '../../errors.ts';
import type { Utf8 } from '../msgpack/writer.ts';
import { type AuditEvent, auditLine, auditRecord, readAuditLine } from './record.ts';

/**
 * The chain of the log: each line carries the hash of the line before, so that nothing can be changed, removed or put
 * in without every later line showing it. That the newest lines were cut off only an outside copy of the head shows.
 */
export interface ChainState {
  /** The number of the last line; 0 before the first. */
  readonly seq: number;
  /** SHA-256 of the last line’s bytes without its line break, 64 hexadecimal digits; zeros before the first. */
  readonly hash: string;
}

/** SHA-256, 32 bytes. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

/** Before the first line of a log. */
export const chainStart: ChainState = { seq: 0, hash: '0'.repeat(64) };

/** Writes an event as the next line: its bytes without the line break, and the chain’s new head. */
export function chainAppend(
  state: ChainState,
  event: AuditEvent,
  sha256: Sha256,
  utf8: Utf8,
): { readonly state: ChainState; readonly line: Uint8Array } {
  const seq = state.seq + 1;
  const line = utf8.encode(auditLine(auditRecord(event, seq, state.hash)));
  return { state: { seq, hash: hex(sha256(line)) }, line };
}

/** Checks that a line (bytes without its line break) follows the head, and returns the next head. MALFORMED. */
export function chainStep(state: ChainState, lineBytes: Uint8Array, sha256: Sha256, utf8: Utf8): Result<ChainState> {
  const seq = state.seq + 1;
  const text = decode(lineBytes, utf8);
  if (text === undefined) return refuse('MALFORMED', `Line ${seq} of the audit log is not UTF-8.`);
  const record = readAuditLine(text);
  if (!record.ok) {
    const [first, ...more] = record.refusal.reasons;
    return refuse('MALFORMED', `Line ${seq} of the audit log cannot be read: ${first}`, ...more);
  }
  if (record.value.seq !== seq)
    return refuse('MALFORMED', `The audit log has record ${record.value.seq} where ${seq} should be.`);
  if (record.value.prev !== state.hash)
    return refuse('MALFORMED', `Audit record ${seq} does not carry the hash of the line before it.`);
  return ok({ seq, hash: hex(sha256(lineBytes)) });
}

function decode(bytes: Uint8Array, utf8: Utf8): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

const hexOf = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

const hex = (bytes: Uint8Array): string => bytes.reduce((text, byte) => text + hexOf[byte], '');
