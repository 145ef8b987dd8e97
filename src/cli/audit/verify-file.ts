import { resolve } from 'node:path';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { verifyFolder } from '../../actors/operations/audit/folder-verification.ts';
import { type ProofTrust, verifyAuditProof } from '../../actors/operations/audit/proof-check.ts';
import { nodeDisk } from '../../actors/operations/node-disk.ts';
import { vaultRingFromText } from '../../crypto/vault.ts';
import { unwrap } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { printable } from '../../protocols/printable.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { profileOf } from '../connect.ts';
import { givenRevocations } from '../notice/given-revocations.ts';
import { writeJson } from '../output.ts';
import { readTextFile } from '../read-text.ts';
import { styleFor } from '../style.ts';
import { tellVerification } from './verify.ts';

/** Checks a file of `caxton audit prove`; asks no node. */
export async function verifyProofFile(invocation: Invocation): Promise<ExitCode> {
  const { terminal, text } = invocation;
  const file = await readTextFile(text('proof')!, terminal.cwd, limits.apiAnswerBytesMax);
  const { trust, revocations } = await trustOf(invocation);
  const proven = unwrap(verifyAuditProof(file, trust));
  const { sequence, nodeId, record, witnesses, checkpoint } = proven;
  const signers = witnesses.map((witness) => ({
    nodeId: witness.nodeId,
    at: new Date(witness.timeSeconds * 1_000).toISOString(),
  }));
  if (invocation.json) {
    writeJson(terminal, {
      valid: true,
      nodeId,
      sequence,
      size: checkpoint.size,
      witnesses: signers,
      record,
      revocations,
    });
    return 0;
  }
  const { good, bad } = styleFor(terminal.outIsTerminal, terminal.env);
  terminal.out(`${good('proven')}: record ${sequence} of the audit log of ${nodeId}\n`);
  for (const { nodeId: witness, at } of signers) terminal.out(`countersigned by ${witness} at ${at}\n`);
  if (signers.length === 0)
    terminal.out(`${bad('countersigned by nobody')}: this rests on the word of ${nodeId} alone\n`);
  tellRevocations(invocation, revocations);
  terminal.out(`${printable(JSON.stringify(record))}\n`);
  return 0;
}

/** Checks a copy of a log’s folder; asks no node. */
export async function verifyCopy(invocation: Invocation): Promise<ExitCode> {
  const { terminal, text } = invocation;
  const vaultFile = text('vault');
  if (vaultFile === undefined) throw new UsageError('--offline needs --vault FILE, the key ring of the node.');
  const evidence = text('evidence');
  const { trust, revocations } = await trustOf(invocation);
  const checked = await verifyFolder({
    disk: nodeDisk,
    folder: resolve(terminal.cwd, text('offline')!),
    vault: unwrap(vaultRingFromText(await readTextFile(vaultFile, terminal.cwd, limits.profileBytesMax))),
    trust,
    ...(evidence !== undefined && {
      evidence: (await readTextFile(evidence, terminal.cwd, limits.evidenceFileBytesMax)).split('\n'),
    }),
  });
  if (invocation.json) {
    writeJson(terminal, { ...checked, revocations });
    return checked.valid ? 0 : 1;
  }
  tellVerification(invocation, checked.origin, checked);
  const { checkpoints, witnessedSize, witnesses } = checked;
  terminal.out(`compared with ${checkpoints} checkpoints; countersigned: record ${witnessedSize}`);
  terminal.out(witnesses.length === 0 ? '\n' : ` by ${printable(witnesses.join(', '))}\n`);
  tellRevocations(invocation, revocations);
  return checked.valid ? 0 : 1;
}

/** Which revocations were looked at; null: none. */
type Seen = { readonly generation: number; readonly clusterId: string } | null;

function tellRevocations({ terminal }: Invocation, seen: Seen): void {
  terminal.out(
    seen
      ? `Nobody counts who is revoked by generation ${seen.generation} of the revocations of cluster ${seen.clusterId}.\n`
      : 'The cluster’s revocations were not looked at: who signed may be revoked. See --revocations.\n',
  );
}

async function trustOf(invocation: Invocation): Promise<{ readonly trust: ProofTrust; readonly revocations: Seen }> {
  const { terminal, text } = invocation;
  const file = text('ca');
  const given = await givenRevocations(invocation);
  const caPem =
    file === undefined
      ? (await profileOf(invocation)).caPem
      : await readTextFile(file, terminal.cwd, limits.profileBytesMax);
  return {
    trust: { caPem, now: nodeClock.now(), revoked: given?.find },
    revocations: given ? { generation: given.generation, clusterId: given.clusterId } : null,
  };
}
