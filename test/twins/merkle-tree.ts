import { createHash } from 'node:crypto';

/**
 * The tree of RFC 6962 §2.1 word for word: recursive, slow, over the whole list of records each time. The twin of the
 * tree that grows leaf by leaf; shares no line with it.
 */
export const sha256 = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(createHash('sha256').update(Buffer.concat(parts)).digest());

/** MTH(D[n]). */
export function treeHash(records: readonly Uint8Array[]): Uint8Array {
  if (records.length === 0) return sha256();
  if (records.length === 1) return sha256(Uint8Array.of(0), records[0]!);
  const k = splitOf(records.length);
  return sha256(Uint8Array.of(1), treeHash(records.slice(0, k)), treeHash(records.slice(k)));
}

/** PATH(m, D[n]). */
export function auditPath(m: number, records: readonly Uint8Array[]): Uint8Array[] {
  if (records.length === 1) return [];
  const k = splitOf(records.length);
  return m < k
    ? [...auditPath(m, records.slice(0, k)), treeHash(records.slice(k))]
    : [...auditPath(m - k, records.slice(k)), treeHash(records.slice(0, k))];
}

/** PROOF(m, D[n]). */
export const consistencyPath = (m: number, records: readonly Uint8Array[]): Uint8Array[] => subProof(m, records, true);

function subProof(m: number, records: readonly Uint8Array[], known: boolean): Uint8Array[] {
  if (m === records.length) return known ? [] : [treeHash(records)];
  const k = splitOf(records.length);
  return m <= k
    ? [...subProof(m, records.slice(0, k), known), treeHash(records.slice(k))]
    : [...subProof(m - k, records.slice(k), false), treeHash(records.slice(0, k))];
}

/** The largest power of two under n. */
function splitOf(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}
