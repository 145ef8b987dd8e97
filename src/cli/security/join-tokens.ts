import type { OpenJoinTokenView } from '../../actors/operations/enrolment-control.ts';
import type { ExitCode, Invocation } from '../command.ts';
import { withNode } from '../connect.ts';
import { shortTime, writeJson } from '../output.ts';
import { styleFor } from '../style.ts';
import { table } from '../table.ts';

/** The join tokens of a CA node that are not over; never their secrets, which the node does not have. */
export async function joinTokens(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json } = invocation;
  const { dim } = styleFor(terminal.outIsTerminal, terminal.env);
  const open = await withNode(invocation, ({ client }) => client.joinTokens());
  if (json) writeJson(terminal, { items: open });
  else
    terminal.out(
      table(
        [
          { title: 'TOKEN', cell: (row: OpenJoinTokenView) => row.id },
          { title: 'NODE', cell: (row: OpenJoinTokenView) => row.nodeId },
          { title: 'REPLACES', cell: (row: OpenJoinTokenView) => (row.replace ? 'yes' : 'no') },
          { title: 'UNTIL', cell: (row: OpenJoinTokenView) => shortTime(row.expiresAt) },
          { title: 'USED FOR', cell: (row: OpenJoinTokenView) => row.serial ?? '-' },
        ],
        open,
        { width: terminal.columns, head: dim },
      ),
    );
  return 0;
}

/** Makes a join token worthless at once. */
export async function cancelJoinToken(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json, text } = invocation;
  const cancelled = await withNode(invocation, ({ client }) => client.cancelJoinToken(text('token')!));
  const { nodeId, serial } = cancelled;
  if (json) writeJson(terminal, cancelled);
  else terminal.out(`the join token for ${nodeId} is worth nothing any more\n`);
  if (serial !== undefined)
    terminal.err(
      `It was used: the certificate ${serial} was issued for it, and stays good. Revoke it: caxton security revoke --serial ${serial} --authority-key FILE\n`,
    );
  return 0;
}
