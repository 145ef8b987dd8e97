import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { profileOf, withNode } from '../connect.ts';
import { writeJson } from '../output.ts';

export async function stop(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json, text } = invocation;
  // “The first that answers” is a fine default for a question and a bad one for an act that cannot be taken back.
  if (text('node') === undefined) {
    const { nodes } = await profileOf(invocation);
    if (nodes.length > 1) throw new UsageError(`Which node? Say --node ${nodes.map(({ id }) => id).join(', or ')}.`);
  }
  const nodeId = await withNode(invocation, async ({ client, node }) => {
    await client.shutdown();
    return node.id;
  });
  if (json) writeJson(terminal, { nodeId, stopping: true });
  else terminal.out(`${nodeId} is stopping\n`);
  return 0;
}
