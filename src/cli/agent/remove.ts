import type { ExitCode, Invocation } from '../command.ts';
import { withNode } from '../connect.ts';
import { writeJson } from '../output.ts';
import { agentGiven } from './agent-argument.ts';

/** Asks the node that hosts an agent to stop it and to forget it. */
export async function remove(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json } = invocation;
  const agent = agentGiven(invocation);
  const node = await withNode(invocation, async ({ client, node: { id } }) => {
    await client.remove(agent);
    return id;
  });
  if (json) writeJson(terminal, { agentId: agent, node });
  else terminal.out(`${agent} is gone from ${node}\n`);
  return 0;
}
