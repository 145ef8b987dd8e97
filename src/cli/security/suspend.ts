import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { keyIdOf, publicHalf } from '../../crypto/keys.ts';
import { isNodeId, type NodeId } from '../../names.ts';
import { resumedBy, type Suspension, stricterSuspensions } from '../../protocols/notice/suspension.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { authorityKey, signedBy } from '../notice/authority-key.ts';
import { givenAuthorities } from '../notice/verified-notice.ts';
import { writeJson } from '../output.ts';
import { knownRevocations } from './known-revocations.ts';
import { putInForce } from './put-in-force.ts';

/** Puts a node out until it is resumed. */
export const suspend = (invocation: Invocation): Promise<ExitCode> =>
  change(
    invocation,
    'suspended',
    (held, node) =>
      stricterSuspensions({ suspensions: held }, { suspensions: [{ node, at: nodeClock.now() }] }).suspensions,
  );

/** Lets a node that is suspended come back. */
export const resume = (invocation: Invocation): Promise<ExitCode> =>
  change(invocation, 'resumed', (held, node) => held.filter((entry) => entry.node !== node));

/** Makes the next generation of the suspensions from what verified notices say, signs it and puts it in force. */
async function change(
  invocation: Invocation,
  done: 'suspended' | 'resumed',
  next: (held: readonly Suspension[], node: NodeId) => readonly Suspension[],
): Promise<ExitCode> {
  const { terminal, json, text } = invocation;
  const node = text('node')!;
  if (!isNodeId(node)) throw new UsageError(`${node} is no node id.`, 'caxton cluster members');
  const key = await authorityKey(invocation);
  const publicKey = publicHalf(key);
  const anchors = new Map([...(await givenAuthorities(invocation)), [keyIdOf(publicKey), publicKey] as const]);
  // Whoever is out, or is to be, has no say in it.
  const known = await knownRevocations(invocation, { anchors, except: [node] });
  const { suspensions: held, generation: before } = known.suspended;
  const suspensions = next(held, node);
  if (resumedBy(held, suspensions).length + resumedBy(suspensions, held).length === 0) {
    terminal.err(done === 'suspended' ? `${node} is suspended already.\n` : `${node} is not suspended.\n`);
    return 0;
  }
  const generation = before + 1;
  const document = signedBy(key, {
    ...{ v: 1, kind: 'suspensions', generation, clusterId: known.profile.clusterId, issuedAt: nodeClock.now() },
    body: { suspensions },
  });
  const isOut = (id: NodeId): boolean => held.some((entry) => entry.node === id);
  const heard = known.heard.filter(({ id }) => !isOut(id));
  const { node: at, seenAt } = await putInForce(known.profile, document, heard, heard);
  if (json) {
    writeJson(terminal, { generation, node: at, seenAt: seenAt ?? null, [done]: node, silent: known.silent });
    return 0;
  }
  terminal.out(`${done} ${node}\ngeneration ${generation} is in force at ${at}, which tells the others\n`);
  terminal.err(seenAt === undefined ? `Only ${at} answered: no other node confirms it.\n` : `${seenAt} has it too.\n`);
  if (known.silent.length > 0)
    terminal.err(`${known.silent.join(', ')} did not answer: it hears of this when it is linked again.\n`);
  return 0;
}
