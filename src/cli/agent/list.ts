import type { AgentView } from '../../actors/operations/control.ts';
import type { ExitCode, Invocation } from '../command.ts';
import { withNode } from '../connect.ts';
import { writeJson } from '../output.ts';
import { styleFor } from '../style.ts';
import { table } from '../table.ts';

export async function list(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json } = invocation;
  const agents = await withNode(invocation, ({ client }) => client.agents());
  if (json) {
    writeJson(terminal, { items: agents });
    return 0;
  }
  const { dim, good, warn } = styleFor(terminal.outIsTerminal, terminal.env);
  const columns = [
    { title: 'AGENT', cell: (row: AgentView) => row.agentId },
    { title: 'NODE', cell: (row: AgentView) => row.node },
    { title: 'KIND', cell: (row: AgentView) => row.kind },
    {
      title: 'STATE',
      cell: (row: AgentView) => row.state,
      paint: (padded: string, row: AgentView) => (row.reachable ? good : warn)(padded),
    },
    { title: 'REACHABLE', cell: (row: AgentView) => (row.reachable ? 'yes' : 'no') },
    { title: 'GENERATION', cell: (row: AgentView) => String(row.generation) },
    { title: 'SERVICES', cell: (row: AgentView) => row.services.join(', ') },
    { title: 'TOKEN', cell: tokenOf },
    { title: 'DEPLOYER', cell: (row: AgentView) => row.deployer },
  ];
  if (agents.length === 0) terminal.out('No agents are deployed.\n');
  else terminal.out(table(columns, agents, { width: terminal.columns, head: dim }));
  return 0;
}

/** When its capability ends, unless the node that was asked renews it. */
function tokenOf({ tokenExpires, tokenRenewed }: AgentView): string {
  if (tokenExpires === undefined) return '';
  if (tokenRenewed === true) return 'renewed here';
  const until = `until ${tokenExpires.slice(0, 16)}Z`;
  return tokenRenewed === false ? `${until}, not renewed` : until;
}
