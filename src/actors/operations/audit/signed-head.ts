import { CaxtonError, unwrap } from '../../../errors.ts';
import { decodeCheckpoint, type VerifiedCheckpoint } from '../../../protocols/audit/checkpoint.ts';
import { type CompactRange, compactRange } from '../../../protocols/audit/merkle.ts';
import type { TreeHead } from '../../../protocols/audit/proof.ts';
import { encodeNote, type SignedNote } from '../../../protocols/audit/signed-note.ts';
import { fromBase64, toBase64 } from '../../../protocols/base64.ts';
import type { DirectoryEntry } from '../../../protocols/link/push-pull-frame.ts';
import type { Store } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';

/** A checkpoint that this node signed of its own log, and the tree under it. */
export interface SignedHead extends TreeHead {
  readonly range: CompactRange;
  readonly note: SignedNote;
}

/** With the certificates of that moment: those that follow them may begin too late to vouch for it. */
export interface CosignedCheckpoint extends VerifiedCheckpoint {
  readonly keys: readonly DirectoryEntry[];
}

export const signedHeadPlace = ['audit-checkpoint', 'signed'] as const;

/** Keeps it in the store, which is not where the log is: who takes the log back does not take this back with it. */
export async function keepSigned(store: Store, { range, note }: SignedHead): Promise<void> {
  const text = JSON.stringify({ nodes: range.nodes.map(toBase64), note: encodeNote(note) });
  await store.put(...signedHeadPlace, utf8.encode(text));
}

/** The last one that was kept. Rejects with MALFORMED when it is not what `keepSigned` wrote. */
export async function readSigned(store: Store): Promise<SignedHead | undefined> {
  const bytes = await store.get(...signedHeadPlace);
  if (!bytes) return undefined;
  let kept: unknown;
  try {
    kept = JSON.parse(utf8.decode(bytes));
  } catch {
    throw unreadable();
  }
  if (typeof kept !== 'object' || kept === null || !('nodes' in kept && 'note' in kept)) throw unreadable();
  const { nodes, note } = kept;
  if (!Array.isArray(nodes) || typeof note !== 'string') throw unreadable();
  const { unverified } = unwrap(decodeCheckpoint(note));
  const hashes = nodes.map((node: unknown) => (typeof node === 'string' ? fromBase64(node) : undefined));
  if (hashes.includes(undefined)) throw unreadable();
  const range = unwrap(
    compactRange(
      unverified.size,
      hashes.filter((hash) => hash !== undefined),
    ),
  );
  return { size: unverified.size, root: unverified.root, range, note: unverified.note };
}

const unreadable = (): CaxtonError =>
  new CaxtonError('MALFORMED', 'What this node kept of its last audit checkpoint cannot be read.');
