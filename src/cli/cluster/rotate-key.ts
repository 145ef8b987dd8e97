import type { ExitCode, Invocation } from '../command.ts';
import { withNode } from '../connect.ts';
import { writeJson } from '../output.ts';
import { longKey } from './keys.ts';

/** Has a node propose a new gossip key. */
export async function rotateKey(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json } = invocation;
  const view = await withNode(invocation, ({ client }) => client.rotateGossipKey());
  if (json) writeJson(terminal, view);
  else if (view.candidate)
    terminal.out(`key ${longKey(view.candidate)} seals when the others hold it: see caxton cluster keys\n`);
  else terminal.out(`key ${longKey(view.sealing)} seals now: see caxton cluster keys\n`);
  return 0;
}
