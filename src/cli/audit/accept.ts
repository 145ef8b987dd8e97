import { createClient } from '../../client.ts';
import { CaxtonError } from '../../errors.ts';
import { isNodeId } from '../../names.ts';
import { printable } from '../../protocols/printable.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { profileOf } from '../connect.ts';
import { writeJson } from '../output.ts';

const nothing = 'had nothing against it';

/** Lets the cluster take a log that lost records for what it says now: at its witnesses first, then at its own node. */
export async function accept(invocation: Invocation): Promise<ExitCode> {
  const { terminal, text, json } = invocation;
  const log = text('log') ?? '';
  if (!isNodeId(log)) throw new UsageError('NODE is the id of a node.');
  const profile = await profileOf(invocation);
  const only = text('node');
  const nodes = profile.nodes.filter(({ id }) => only === undefined || id === only);
  if (nodes.length === 0) throw new UsageError(`The profile ${profile.path} has no node “${only}”.`);
  const items: { node: string; outcome: string }[] = [];
  let isDone = true;
  for (const { id, api } of [...nodes].sort((a, b) => Number(a.id === log) - Number(b.id === log))) {
    const client = createClient({ address: api, caPem: profile.caPem, apiKey: profile.apiKey });
    try {
      await client.auditAccept(log);
      items.push({ node: id, outcome: 'accepted' });
    } catch (error) {
      if (!(error instanceof CaxtonError)) throw error;
      // A node that holds nothing against the log has nothing to accept.
      const isNothing = error.code === 'NOT_FOUND';
      isDone &&= isNothing;
      items.push({ node: id, outcome: isNothing ? nothing : error.message });
    } finally {
      client.close();
    }
  }
  const isKnown = profile.nodes.some(({ id }) => id === log);
  if (!isKnown && items.every(({ outcome }) => outcome === nothing))
    throw new CaxtonError(
      'NOT_FOUND',
      `No node has anything against a log of ${log}, which the profile does not name.`,
    );
  if (json) writeJson(terminal, { items });
  else for (const { node, outcome } of items) terminal.out(`${node}: ${printable(outcome)}\n`);
  return isDone ? 0 : 1;
}
