import type { NoticeView } from '../../actors/operations/notice-view.ts';
import type { ExitCode, Invocation } from '../command.ts';
import { withNode } from '../connect.ts';
import { shortTime, writeJson } from '../output.ts';
import { styleFor } from '../style.ts';
import { table } from '../table.ts';

/** The cluster documents that are in force at a node. Exit code 1 when one of them wants an operator. */
export async function list(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json } = invocation;
  const items = await withNode(invocation, ({ client }) => client.notices());
  const code = items.every((view) => troubleOf(view) === undefined) ? 0 : 1;
  if (json) {
    writeJson(terminal, { items });
    return code;
  }
  const { dim, good, bad } = styleFor(terminal.outIsTerminal, terminal.env);
  const columns = [
    { title: 'KIND', cell: (row: NoticeView) => row.kind },
    { title: 'GENERATION', cell: (row: NoticeView) => String(row.generation) },
    { title: 'ISSUED (UTC)', cell: (row: NoticeView) => shortTime(row.issuedAt) },
    { title: 'SIGNED BY', cell: (row: NoticeView) => row.signer },
    {
      title: 'STATE',
      cell: (row: NoticeView) => troubleOf(row) ?? 'in force',
      paint: (padded: string, row: NoticeView) => (troubleOf(row) === undefined ? good : bad)(padded),
    },
  ];
  terminal.out(table(columns, items, { width: terminal.columns, head: dim }));
  return code;
}

/** What an operator should do something about. */
export function troubleOf({ rivals, signerTrusted }: NoticeView): string | undefined {
  if (rivals > 0) return `${rivals + 1} of one generation: the stricter applies`;
  return signerTrusted ? undefined : 'signed by a key that is no authority any more';
}
