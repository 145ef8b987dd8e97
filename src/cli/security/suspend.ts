import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { isNodeId, type NodeId } from '../../names.ts';
import { suspensionsInForce } from '../../protocols/notice/reconciliation.ts';
import { resumedBy, type Suspension, stricterSuspensions } from '../../protocols/notice/suspension.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { publishNext } from '../notice/next-document.ts';
import { writeJson } from '../output.ts';

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
  const published = await publishNext(invocation, {
    kind: 'suspensions',
    // Whoever is out, or is to be, has no say in it.
    except: node,
    body: (state) => {
      const held = suspensionsInForce(state);
      const suspensions = next(held, node);
      const isNew = resumedBy(held, suspensions).length + resumedBy(suspensions, held).length > 0;
      return isNew ? { suspensions } : undefined;
    },
  });
  if (!published) {
    terminal.err(done === 'suspended' ? `${node} is suspended already.\n` : `${node} is not suspended.\n`);
    return 0;
  }
  const { generation, node: at, seenAt, silent } = published;
  if (json) {
    writeJson(terminal, { generation, node: at, seenAt: seenAt ?? null, [done]: node, silent });
    return 0;
  }
  terminal.out(`${done} ${node}\ngeneration ${generation} is in force at ${at}, which tells the others\n`);
  terminal.err(seenAt === undefined ? `Only ${at} answered: no other node confirms it.\n` : `${seenAt} has it too.\n`);
  if (silent.length > 0)
    terminal.err(`${silent.join(', ')} did not answer: it hears of this when it is linked again.\n`);
  return 0;
}
