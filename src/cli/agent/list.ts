import type { AgentView } from '../../actors/operations/control.ts';
import { isAgentId, isName, isNodeId } from '../../names.ts';
import type { AgentQuery } from '../../protocols/registry/agent-query.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { withNode } from '../connect.ts';
import { writeJson } from '../output.ts';
import { styleFor } from '../style.ts';
import { table } from '../table.ts';

export async function list(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json } = invocation;
  const query = queryOf(invocation);
  const agents = await withNode(invocation, ({ client }) => client.agents(query));
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
    { title: 'DEPLOYER', cell: (row: AgentView) => row.deployer },
  ];
  if (agents.length === 0)
    terminal.out(Object.keys(query).length === 0 ? 'No agents are deployed.\n' : 'No agent is like that.\n');
  else terminal.out(table(columns, agents, { width: terminal.columns, head: dim }));
  return 0;
}

const help = 'caxton agent list --help';

function queryOf({ text }: Invocation): AgentQuery {
  const [service, host, tenant] = [text('service'), text('host'), text('tenant')];
  if (service !== undefined && !isName(service) && !isAgentId(service))
    throw new UsageError('--service is NAME or TENANT/NAME.', help);
  if (host !== undefined && !isNodeId(host)) throw new UsageError('--host is the id of a node.', help);
  if (tenant !== undefined && !isName(tenant)) throw new UsageError('--tenant is the name of a tenant.', help);
  return {
    ...(service === undefined ? {} : { service }),
    ...(host === undefined ? {} : { node: host }),
    ...(tenant === undefined ? {} : { tenant }),
  };
}
