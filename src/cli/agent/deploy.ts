import { readStored } from '../../actors/agents/stored-deployment.ts';
import { utf8 } from '../../actors/kernel/utf8.ts';
import { unwrap } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { ExitCode, Invocation } from '../command.ts';
import { withNode } from '../connect.ts';
import { writeJson } from '../output.ts';
import { readTextOrInput } from '../read-text.ts';

/** Both documents, and what JSON has around them. */
const fileBytesMax = limits.manifestBytesMax + limits.tokenBytesMax + 1_024;

/** Asks a node to deploy what `agent sign` wrote. */
export async function deploy(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json, text } = invocation;
  const file = text('file')!;
  const content = await readTextOrInput(file, terminal, fileBytesMax);
  const signed = unwrap(readStored(utf8.encode(content), file));
  const { agent, node } = await withNode(invocation, async ({ client, node: { id } }) => ({
    agent: await client.deploy(signed),
    node: id,
  }));
  if (json) writeJson(terminal, agent);
  else terminal.out(`${agent.agentId} runs on ${node}, generation ${agent.generation}\n`);
  return 0;
}
