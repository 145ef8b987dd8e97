import { join } from 'node:path';
import type { VaultRing } from '../../../crypto/vault.ts';
import { decodeCheckpointEvidence } from '../../../protocols/audit/evidence.ts';
import { sameHash, type TreeHead } from '../../../protocols/audit/proof.ts';
import type { Disk } from '../../kernel/ports.ts';
import type { AuditVerification } from '../control.ts';
import { checkSegment } from './audit-check.ts';
import { listSegments, readSegmentFile, type Segment } from './audit-segment.ts';
import { joinReports } from './audit-verification.ts';
import { checkpointsName, evidenceEnd, newestCheckpointName, readCheckpointFile } from './checkpoint-file.ts';
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
  const segments = await listSegments(disk, folder);
  const beside = await checkpointsBeside(options);
  const given = provenOf(options.evidence ?? [], options.trust);
  const origin = beside.proven[0]?.checkpoint.origin ?? (await originOf(segments[0], options));
  const { proven, bad: badCheckpoint } = joined(beside, given, origin);
  const sizes = [...new Set(proven.map(({ checkpoint }) => checkpoint.size))];
  const roots: TreeHead[] = [];
  const known = { origin, isFromBegin: true, end: undefined };
  const log = await joinReports(segments, known, async (segment) => {
    const report = await checkSegment(segment, () => readSegmentFile(disk, segment), vault, sizes);
    roots.push(...report.roots);
    return report;
  });
  const bad = firstOf(log, proven, roots) ?? badCheckpoint;
  const newest = proven.filter(isWitnessed).at(-1);
  const { firstBad: _, ...rest } = log;
  return {
    ...rest,
    valid: bad === undefined,
    ...(bad && { firstBad: bad }),
    origin: origin ?? '',
    checkpoints: proven.length,
    witnessedSize: newest?.checkpoint.size ?? 0,
    witnesses: newest?.witnesses.map(({ nodeId }) => nodeId) ?? [],
  };
}

type Bad = NonNullable<AuditVerification['firstBad']>;

interface Proven {
  readonly proven: readonly ProvenCheckpoint[];
  readonly bad: Bad | undefined;
}

async function checkpointsBeside({ disk, folder, trust }: FolderVerificationOptions): Promise<Proven> {
  const [newest = [], older = []] = await Promise.all(
    [newestCheckpointName, checkpointsName].map(async (name) => {
      // Bytes that are no text make a line that is no checkpoint.
      return (await readCheckpointFile(disk, join(folder, name)))?.split('\n');
    }),
  );
  // The file ends with a line break, unless a crash tore what was appended last; before the next a node cuts that off.
  const torn = older.at(-1);
  const whole = torn !== undefined && !torn.includes(evidenceEnd) ? older.slice(0, -1) : older;
  // The other file is replaced as a whole: it is never empty or torn.
  return provenOf([...(newest.every((line) => line === '') && newest.length > 0 ? ['{}'] : newest), ...whole], trust);
}

/** A line that is not what was written, or is not signed by whom it says, is bad. */
function provenOf(lines: readonly string[], trust: ProofTrust): Proven {
  const proven: ProvenCheckpoint[] = [];
  let bad: Bad | undefined;
  for (const line of lines) {
    if (line === '') continue;
    const decoded = decodeCheckpointEvidence(line);
    const verified = decoded.ok ? verifyEvidence(decoded.value, trust) : decoded;
    if (verified.ok) proven.push(verified.value);
    // What the key of a revoked node alone signed says nothing, neither good nor bad.
    else if (verified.refusal.code !== 'REVOKED')
      bad ??= { sequence: 0, reason: `A checkpoint is not what it says: ${verified.refusal.reasons[0]}` };
  }
  return { proven, bad };
}

/** The checkpoints of this log, by size. Who was given some to compare with must not be told that all is well by none. */
function joined(beside: Proven, given: Proven, origin: string | undefined): Proven {
  const own = given.proven.filter(({ checkpoint }) => checkpoint.origin === origin);
  const isOfOthers = given.proven.length > 0 && own.length === 0;
  const others = { sequence: 0, reason: `None of the checkpoints from elsewhere is one of ${origin ?? 'this log'}.` };
  return {
    proven: [...beside.proven, ...own].sort((a, b) => a.checkpoint.size - b.checkpoint.size),
    bad: beside.bad ?? given.bad ?? (isOfOthers ? others : undefined),
  };
}

/** Which log a copy without checkpoints is one of. */
async function originOf(segment: Segment | undefined, { disk, vault }: FolderVerificationOptions) {
  if (!segment) return undefined;
  const { origin } = await checkSegment(segment, () => readSegmentFile(disk, segment), vault);
  return origin;
}

const isWitnessed = ({ witnesses }: ProvenCheckpoint): boolean => witnesses.length > 0;

/**
 * The first bad record, as far as segments and checkpoints tell. What a checkpoint covers that fits is good for certain;
 * where one does not fit, only those that fit below it and weigh as much say up to where: a thief of the log’s key can
 * sign any tree, and no cosignature.
 */
function firstOf(
  log: AuditVerification,
  proven: readonly ProvenCheckpoint[],
  roots: readonly TreeHead[],
): Bad | undefined {
  const first = log.headSequence - log.records + 1;
  // What was retired cannot be compared any more; the tree that the first segment goes on from stands for it.
  const compared = proven.filter(({ checkpoint }) => checkpoint.size >= first);
  // Of a segment that is not the one which belongs there, the roots say nothing.
  const rootOf = (size: number) =>
    size > log.headSequence ? undefined : roots.find((found) => found.size === size)?.root;
  const fits = ({ checkpoint: { size, root } }: ProvenCheckpoint): boolean => sameHash(rootOf(size) ?? noHash, root);
  const goodBelow = (size: number, weighty: boolean): number =>
    compared
      .filter((one) => one.checkpoint.size < size && fits(one) && (isWitnessed(one) || !weighty))
      .reduce((good, one) => Math.max(good, one.checkpoint.size), Math.max(0, first - 1));
  const strangers = compared.filter((one) => rootOf(one.checkpoint.size) && !fits(one));
  const bads = strangers.map((one): Bad => {
    const { size } = one.checkpoint;
    const sequence = goodBelow(size, isWitnessed(one)) + 1;
    const isSplit = compared.some((other) => other.checkpoint.size === size && fits(other));
    const reason = isSplit
      ? `Two different trees of ${size} records were signed with the key of the log.`
      : `The records from ${sequence} to ${size} are not all those that were signed.`;
    return { sequence, reason };
  });
  const { firstBad, headSequence } = log;
  // That the headers of two segments disagree says that something between the begin and there is bad, and no more.
  const isVague = firstBad?.sequence === first && first <= headSequence;
  const good = isVague ? goodBelow(headSequence + 1, strangers.some(isWitnessed)) : 0;
  if (firstBad) bads.push({ ...firstBad, sequence: Math.max(firstBad.sequence, good + 1) });
  const longest = compared.at(-1)?.checkpoint.size ?? 0;
  if (longest > headSequence)
    bads.push({
      sequence: headSequence + 1,
      reason: `The records from ${headSequence + 1} to ${longest} are gone.`,
    });
  return bads.reduce<Bad | undefined>(
    (least, bad) => (least && least.sequence <= bad.sequence ? least : bad),
    undefined,
  );
}

const noHash = new Uint8Array(0);
