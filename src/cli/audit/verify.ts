import type { ExitCode, Invocation } from '../command.ts';
import { withNode } from '../connect.ts';
import { writeJson } from '../output.ts';
import { printable } from '../printable.ts';
import { styleFor } from '../style.ts';

export async function verify(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json } = invocation;
  const checked = await withNode(invocation, async ({ client, node }) => ({
    nodeId: node.id,
    // Reading a long log takes longer than other requests.
    ...(await client.auditVerification({ timeoutMs: 120_000 })),
  }));
  const { nodeId, valid, records, headSequence, headHash, firstBad } = checked;
  if (json) writeJson(terminal, checked);
  else {
    const { good, bad } = styleFor(terminal.outIsTerminal, terminal.env);
    const verdict = valid ? good('the chain holds') : bad('THE CHAIN IS BROKEN');
    terminal.out(`${nodeId}: ${records} records, ${verdict}\n`);
    if (firstBad) terminal.out(`first bad record: ${firstBad.sequence}: ${printable(firstBad.reason)}\n`);
    terminal.out(`head: record ${headSequence}, sha256 ${printable(headHash)}\n`);
  }
  return valid ? 0 : 1;
}
