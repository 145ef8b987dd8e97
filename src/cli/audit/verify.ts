import type { AuditVerification } from '../../actors/operations/control.ts';
import type { Client } from '../../client.ts';
import { printable } from '../../protocols/printable.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { profileOf, withNode } from '../connect.ts';
import { writeJson } from '../output.ts';
import { styleFor } from '../style.ts';

/** Reading a long log takes longer than other requests. */
const verifyMs = 120_000;

/** Checks a node’s audit log: the node’s own judgement, that of its witnesses, a copy of the log, or one record’s proof. */
export async function verify(invocation: Invocation): Promise<ExitCode> {
  const { text } = invocation;
  if (text('proof') !== undefined && text('offline') !== undefined)
    throw new UsageError('--proof and --offline are two things to check.');
  if (text('proof') !== undefined) return (await import('./verify-file.ts')).verifyProofFile(invocation);
  if (text('offline') !== undefined) return (await import('./verify-file.ts')).verifyCopy(invocation);
  if (text('revocations') !== undefined)
    throw new UsageError('--revocations goes with --proof or --offline: nodes know what is revoked.');
  const part = partOf(invocation);
  const checked = await withNode(invocation, async ({ client, node }) => ({
    nodeId: node.id,
    ...(await client.auditVerification({ timeoutMs: verifyMs, ...(part && { part }) })),
    checkpoint: await client.auditCheckpoint(),
    ...(text('against-witness') !== undefined && { witnessed: await againstWitnesses(invocation, client, node.id) }),
  }));
  const { witnessed } = checked;
  // Who asks the witnesses must not be told that all is well by nobody: whoever changed a log keeps them from answering.
  const isConfirmed = witnessed === undefined || witnessed.some(({ confirms }) => confirms);
  const isGood =
    checked.valid && !checked.checkpoint.fork && isConfirmed && (witnessed ?? []).every(({ fits }) => fits);
  if (invocation.json) {
    writeJson(invocation.terminal, checked);
    return isGood ? 0 : 1;
  }
  const { terminal } = invocation;
  const { good, bad } = styleFor(terminal.outIsTerminal, terminal.env);
  tellVerification(invocation, checked.nodeId, checked);
  const { size, witnessedSize, witnesses, fork } = checked.checkpoint;
  if (fork)
    terminal.out(`${bad('FORKED')}: record ${fork.size} was signed with another tree (${printable(fork.kind)})\n`);
  const names = witnesses.map(({ nodeId }) => nodeId).join(', ');
  terminal.out(`signed: record ${size}; countersigned: record ${witnessedSize}${names && ` by ${printable(names)}`}\n`);
  for (const { witness, fits, text: told } of witnessed ?? [])
    terminal.out(`${witness}: ${(fits ? good : bad)(printable(told))}\n`);
  if (!isConfirmed)
    terminal.out(`${bad('NOT CONFIRMED')}: no witness says that the log continues what it countersigned\n`);
  return isGood ? 0 : 1;
}

/** The judgement of a whole log in lines. */
export function tellVerification({ terminal }: Invocation, name: string, log: AuditVerification): void {
  const { good, bad } = styleFor(terminal.outIsTerminal, terminal.env);
  const verdict = log.valid ? good('the log holds') : bad('THE LOG WAS CHANGED');
  terminal.out(`${printable(name)}: ${log.records} records, ${verdict}\n`);
  const { firstBad } = log;
  const what = firstBad?.sequence === 0 ? 'beside the records' : `first bad record: ${firstBad?.sequence}`;
  if (firstBad) terminal.out(`${what}: ${printable(firstBad.reason)}\n`);
  terminal.out(`head: record ${log.headSequence}, root ${printable(log.headHash)}\n`);
}

async function againstWitnesses(invocation: Invocation, client: Client, log: string) {
  const [{ compareWithWitnesses }, profile] = await Promise.all([
    import('./against-witness.ts'),
    profileOf(invocation),
  ]);
  return compareWithWitnesses(profile, client, log);
}

function partOf({ text }: Invocation): { readonly from: number; readonly to?: number } | undefined {
  const [from, to] = [sequenceOf('from', text('from')), sequenceOf('to', text('to'))];
  if (from === undefined && to === undefined) return undefined;
  if (from !== undefined && to !== undefined && from > to) throw new UsageError('--from is after --to.');
  return { from: from ?? 1, ...(to === undefined ? {} : { to }) };
}

function sequenceOf(option: string, given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  const sequence = /^[1-9]\d{0,15}$/.test(given) ? Number(given) : 0;
  if (!Number.isSafeInteger(sequence) || sequence < 1)
    throw new UsageError(`--${option} is the sequence of a record, from 1.`);
  return sequence;
}
