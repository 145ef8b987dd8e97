import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { withNode } from '../connect.ts';
import { writeJson } from '../output.ts';

/** Prints, or writes to a file, one record with all that shows that it is in the log. */
export async function prove(invocation: Invocation): Promise<ExitCode> {
  const { terminal, text, json } = invocation;
  const word = text('sequence') ?? '';
  const sequence = /^[1-9]\d{0,15}$/.test(word) ? Number(word) : Number.NaN;
  if (!Number.isSafeInteger(sequence))
    throw new UsageError('SEQ is the sequence of a record, from 1.', 'caxton audit prove --help');
  // A record that just came waits for its checkpoint.
  const proven = await withNode(invocation, ({ client }) => client.auditProof(sequence, { timeoutMs: 60_000 }));
  const out = text('out');
  if (out !== undefined) await writeFile(resolve(terminal.cwd, out), proven.proof, { mode: 0o600 });
  if (json) writeJson(terminal, proven);
  else if (out === undefined) terminal.out(proven.proof);
  else terminal.out(`${out}: record ${sequence}, under a checkpoint that ${proven.witnesses} countersigned\n`);
  return 0;
}
