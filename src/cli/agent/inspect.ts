import type { ExitCode, Invocation } from '../command.ts';
import { withNode } from '../connect.ts';
import { writeJson } from '../output.ts';
import { styleFor } from '../style.ts';
import { fields } from '../table.ts';
import { agentGiven } from './agent-argument.ts';

/** One agent, as the node that is asked knows it. */
export async function inspect(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json } = invocation;
  const agent = agentGiven(invocation);
  const view = await withNode(invocation, ({ client }) => client.agent(agent));
  if (json) {
    writeJson(terminal, view);
    return 0;
  }
  const { dim } = styleFor(terminal.outIsTerminal, terminal.env);
  terminal.out(
    fields(
      [
        ['agent', view.agentId],
        ['node', view.node],
        ['kind', view.kind],
        ['state', view.state],
        ['reachable', view.reachable ? 'yes' : 'no'],
        ['services', view.services.join(', ') || 'none'],
        ['generation', String(view.generation)],
        ['deployer', view.deployer],
        ['deployment', view.deploymentId ?? ''],
        ['token', view.tokenId ?? 'none: it only answers'],
        ...(view.rivals ? [['claimed by', view.rivals.join(', ')] as [string, string]] : []),
      ],
      dim,
    ),
  );
  return 0;
}
