import { join } from 'node:path';
import type { VaultRing } from '../../crypto/vault.ts';
import { decodeCheckpointEvidence } from '../../protocols/audit/evidence.ts';
import { sameHash, type TreeHead } from '../../protocols/audit/proof.ts';
import type { Disk } from '../kernel/ports.ts';
import { checkSegment } from './audit-check.ts';
import { listSegments, readSegmentFile } from './audit-segment.ts';
import { joinReports } from './audit-verification.ts';
import { checkpointsName, newestCheckpointName } from './checkpoint-file.ts';
import type { AuditVerification } from './control.ts';
import { type ProofTrust, type ProvenCheckpoint, verifyEvidence } from './proof-check.ts';

export interface FolderVerificationOptions {
  readonly disk: Disk;
  /** A copy of an audit log’s folder. */
  readonly folder: string;
  readonly vault: VaultRing;
  readonly trust: ProofTrust;
  /** Checkpoints from elsewhere, as JSON lines: what a witness or a SIEM kept. */
  readonly evidence?: readonly string[];
}

export interface FolderVerification extends AuditVerification {
  /** Whose log it is; empty when neither a segment nor a checkpoint says. */
  readonly origin: string;
  /** Checkpoints that the log was compared with. */
  readonly checkpoints: number;
  /** Records under the newest of them that somebody countersigned: what comes after rests on this copy alone. */
  readonly witnessedSize: number;
  /** Who countersigned that one. */
  readonly witnesses: readonly string[];
}

/**
 * Checks a copy of a log without its node: that every segment opens and goes on where the one before ended, and that the
 * tree passes through every checkpoint whose keys lead to the CA. What is not signed counts for nothing, and is bad if it
 * claims to be. Rejects with what the disk rejects with.
 */
export async function verifyFolder(options: FolderVerificationOptions): Promise<FolderVerification> {
  const { disk, folder, vault } = options;
  const { proven, bad: badCheckpoint } = await provenCheckpoints(options);
  const origin = proven[0]?.checkpoint.origin;
  const sizes = [...new Set(proven.map(({ checkpoint }) => checkpoint.size))];
  const roots: TreeHead[] = [];
  let found = '';
  const segments = await listSegments(disk, folder);
  const log = await joinReports(segments, { origin, isFromBegin: true, end: undefined }, async (segment) => {
    const report = await checkSegment(segment, await readSegmentFile(disk, segment), vault, sizes);
    found ||= report.origin ?? '';
    roots.push(...report.roots);
    return report;
  });
  const against = compared(log, proven, roots);
  const bad = [log.firstBad, against, badCheckpoint].find((problem) => problem !== undefined);
  const newest = proven.filter(({ witnesses }) => witnesses.length > 0).at(-1);
  const { firstBad: _, ...rest } = log;
  return {
    ...rest,
    valid: bad === undefined,
    ...(bad && { firstBad: bad }),
    origin: origin ?? found,
    checkpoints: proven.length,
    witnessedSize: newest?.checkpoint.size ?? 0,
    witnesses: newest?.witnesses.map(({ nodeId }) => nodeId) ?? [],
  };
}

type Bad = NonNullable<AuditVerification['firstBad']>;

/** By size. A line that is no JSON is one that a crash tore; one that is and is not signed by whom it says is bad. */
async function provenCheckpoints({ disk, folder, trust, evidence = [] }: FolderVerificationOptions): Promise<{
  readonly proven: readonly ProvenCheckpoint[];
  readonly bad: Bad | undefined;
}> {
  const texts = await Promise.all(
    [newestCheckpointName, checkpointsName].map(async (name) => {
      const bytes = await disk.readFile(join(folder, name));
      // Bytes that are no text make a line that is no checkpoint.
      return bytes ? Buffer.from(bytes).toString('utf8') : '';
    }),
  );
  const proven: ProvenCheckpoint[] = [];
  let bad: Bad | undefined;
  for (const line of [...texts.join('\n').split('\n'), ...evidence]) {
    const decoded = line === '' ? undefined : decodeCheckpointEvidence(line);
    if (!decoded?.ok) continue;
    const verified = verifyEvidence(decoded.value, trust);
    if (verified.ok) proven.push(verified.value);
    else bad ??= { sequence: 0, reason: `A checkpoint is not what it says: ${verified.refusal.reasons[0]}` };
  }
  return { proven: proven.sort((a, b) => a.checkpoint.size - b.checkpoint.size), bad };
}

/** The first place that differs from a checkpoint: after the newest one that fits, if not before. */
function compared(
  log: AuditVerification,
  proven: readonly ProvenCheckpoint[],
  roots: readonly TreeHead[],
): Bad | undefined {
  const first = log.headSequence - log.records + 1;
  let fits = Math.max(0, first - 1);
  for (const { checkpoint } of proven) {
    const { size } = checkpoint;
    // What was retired cannot be compared any more; the tree that the first segment goes on from stands for it.
    if (size < first) continue;
    const root = roots.find((found) => found.size === size)?.root;
    if (!root)
      return {
        sequence: log.headSequence + 1,
        reason: `The records from ${log.headSequence + 1} to ${size} are gone.`,
      };
    if (!sameHash(root, checkpoint.root)) {
      const reason = `The records from ${fits + 1} to ${size} are not all those that were signed.`;
      return { sequence: fits + 1, reason };
    }
    fits = size;
  }
  return undefined;
}
