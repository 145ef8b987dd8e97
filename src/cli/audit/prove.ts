import { resolve } from 'node:path';
import { utf8 } from '../../actors/kernel/utf8.ts';
import { CaxtonError } from '../../errors.ts';
import { decodeProofFile } from '../../protocols/audit/proof-file.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { withNode } from '../connect.ts';
import { writeJson } from '../output.ts';
import { newFile } from './new-file.ts';

/** Prints, or writes to a file, one record with all that shows that it is in the log. */
export async function prove(invocation: Invocation): Promise<ExitCode> {
  const { terminal, text, json } = invocation;
  const word = text('sequence') ?? '';
  const sequence = /^[1-9]\d{0,15}$/.test(word) ? Number(word) : Number.NaN;
  if (!Number.isSafeInteger(sequence)) throw new UsageError('SEQ is the sequence of a record, from 1.');
  // A record that just came waits for its checkpoint.
  const proven = await withNode(invocation, ({ client }) => client.auditProof(sequence, { timeoutMs: 60_000 }));
  // It is printed as it is, and a node that lies must not steer the terminal with it.
  if (!decodeProofFile(proven.proof, utf8).ok || !/^[\x20-\x7e\n—]*$/u.test(proven.proof))
    throw new CaxtonError('PROTOCOL_VIOLATION', 'The node answered with what is no proof.');
  const out = text('out');
  if (out !== undefined) {
    await using file = await newFile(resolve(terminal.cwd, out));
    await file.writeFile(proven.proof);
  }
  if (json) writeJson(terminal, proven);
  else if (out === undefined) terminal.out(proven.proof);
  else terminal.out(`${out}: record ${sequence}, under a checkpoint that ${proven.witnesses} countersigned\n`);
  return 0;
}
