import type { MemberView } from '../../actors/operations/control.ts';
import type { ExitCode, Invocation } from '../command.ts';
import { withNode } from '../connect.ts';
import { shortTime, writeJson } from '../output.ts';
import { styleFor } from '../style.ts';
import { table } from '../table.ts';

export async function members(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json } = invocation;
  const { list, seenBy } = await withNode(invocation, async ({ client, node }) => ({
    list: await client.members(),
    seenBy: node.id,
  }));
  if (json) {
    writeJson(terminal, { items: list });
    return 0;
  }
  const { dim, good, warn, bad } = styleFor(terminal.outIsTerminal, terminal.env);
  const paints = { alive: good, suspect: warn, unreachable: bad, dead: bad, left: dim, revoked: bad, suspended: warn };
  const columns = [
    { title: 'NODE', cell: (row: MemberView) => row.nodeId },
    {
      title: 'STATUS',
      cell: (row: MemberView) => row.status,
      paint: (padded: string, row: MemberView) => (paints[row.status] ?? bad)(padded),
    },
    { title: 'LINK', cell: (row: MemberView) => row.link },
    { title: 'ADDRESS', cell: (row: MemberView) => row.address },
    { title: 'BOOT', cell: (row: MemberView) => String(row.bootEpoch) },
    { title: 'INCARNATION', cell: (row: MemberView) => String(row.incarnation) },
    { title: 'SINCE (UTC)', cell: (row: MemberView) => shortTime(row.since) },
  ];
  terminal.out(table(columns, list, { width: terminal.columns, head: dim }));
  if (terminal.outIsTerminal) terminal.out(dim(`as ${seenBy} sees them\n`));
  return 0;
}
