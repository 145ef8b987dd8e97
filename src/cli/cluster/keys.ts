import type { GossipKeysView, GossipKeyView, MemberKeysView } from '../../actors/operations/gossip-key-view.ts';
import type { ExitCode, Invocation } from '../command.ts';
import { withNode } from '../connect.ts';
import { shortTime, writeJson } from '../output.ts';
import { styleFor } from '../style.ts';
import { table } from '../table.ts';

export async function keys(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json } = invocation;
  const view = await withNode(invocation, ({ client }) => client.gossipKeys());
  if (json) {
    writeJson(terminal, view);
    return 0;
  }
  const { dim } = styleFor(terminal.outIsTerminal, terminal.env);
  terminal.out(`${linesOf(view).join('\n')}\n\n`);
  const columns = [
    { title: 'NODE', cell: (row: MemberKeysView) => row.nodeId },
    { title: 'SEALS WITH', cell: (row: MemberKeysView) => (row.sealing ? shortKey(row.sealing) : 'not linked') },
    { title: 'HOLDS READY', cell: (row: MemberKeysView) => (row.candidate ? shortKey(row.candidate) : '') },
  ];
  terminal.out(table(columns, view.members, { width: terminal.columns, head: dim }));
  return 0;
}

function linesOf({ stage, sealing, candidate, retiring, nextAt, due }: GossipKeysView): string[] {
  return [
    `stage        ${stage}${due ? ` (due: ${due})` : ''}`,
    `seals with   ${longKey(sealing)}, since ${shortTime(sealing.since)} UTC`,
    ...(candidate ? [`holds ready  ${longKey(candidate)}`] : []),
    ...retiring.map((key) => `opens still  ${longKey(key)}`),
    `next by      ${shortTime(nextAt)} UTC`,
  ];
}

const shortKey = ({ epoch, hash }: GossipKeyView): string => `${epoch} ${hash.slice(0, 8)}`;

/** A key for people: its epoch, its hash and who made it. */
export const longKey = ({ epoch, hash, proposer }: GossipKeyView): string =>
  `${epoch} ${hash}${proposer === '' ? '' : ` made by ${proposer}`}`;
