import { resolve } from 'node:path';
import type { JoinTokenView } from '../../actors/operations/enrolment-control.ts';
import { nodeDisk } from '../../actors/operations/node-disk.ts';
import { parseDuration } from '../../config/quantity.ts';
import { CaxtonError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isNodeId, type NodeId } from '../../names.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { withNode } from '../connect.ts';
import { writeJson } from '../output.ts';
import { supersede } from './supersede.ts';

const help = 'caxton security join-token --help';
const ttlDefaultMs = 86_400_000;
const ttlMsMin = 60_000;

/** Has a CA node make a join token, and puts it into a file: it is a secret, and never printed. */
export async function joinToken(invocation: Invocation): Promise<ExitCode> {
  const { text, list, flag, terminal, json } = invocation;
  const nodeId = text('node-id')!;
  if (!isNodeId(nodeId)) throw new UsageError('--node-id is a-z, 0-9, “_” and “-”, at most 63 characters.', help);
  const ttl = text('ttl');
  const ttlMs = ttl === undefined ? ttlDefaultMs : (parseDuration(ttl) ?? 0);
  if (ttlMs < ttlMsMin || ttlMs > limits.joinTokenMsMax)
    throw new UsageError('--ttl is a time from 1m to 7d, such as 24h.', help);
  const path = resolve(terminal.cwd, text('out')!);
  if (await nodeDisk.stat(path))
    throw new CaxtonError('ALREADY_EXISTS', `${path} is there already; name another file.`);
  const replace = flag('replace');
  if (text('authority-key') !== undefined) {
    if (!replace) throw new UsageError('--authority-key is for --replace.', help);
  }
  const ask = () =>
    withNode(invocation, ({ client }) =>
      client.joinToken({ nodeId, ttlMs, dns: list('dns'), ip: list('ip'), replace }),
    );
  const made = text('authority-key') === undefined ? await ask() : await superseding(invocation, nodeId, ask);
  await nodeDisk.writeFileAtomic(path, Buffer.from(`${made.token}\n`), 0o600);
  const { id, expiresAt } = made;
  if (json) writeJson(terminal, { path, id, nodeId, expiresAt });
  else terminal.out(`${path}: good for ${nodeId}, once, until ${expiresAt}\n`);
  return 0;
}

/**
 * A token in the place of a node whose certificates are revoked for it. The CA node is asked before and after: what is
 * revoked is so for good, and would be in vain where no token can be had for another reason.
 */
async function superseding(
  invocation: Invocation,
  nodeId: NodeId,
  ask: () => Promise<JoinTokenView>,
): Promise<JoinTokenView> {
  const first = await ask().catch((error: unknown) => {
    if (error instanceof CaxtonError && error.code === 'ALREADY_EXISTS') return undefined;
    throw error;
  });
  for (const serial of await supersede(invocation, nodeId))
    invocation.terminal.err(`revoked the certificate ${serial} of the ${nodeId} before\n`);
  return first ?? ask();
}
