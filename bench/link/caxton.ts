/** One Caxton node with one agent: `caxton.ts echo <folder>`, `caxton.ts asker <folder>`. */
import { deployAgent, echo, payload, startNode } from '../caxton.ts';
import { measureCalls } from '../runner/calls.ts';
import { play } from '../runner/process.ts';

const [, , role, folder = ''] = process.argv;
const findMsMax = 15_000;

if (role === 'echo') {
  const node = await startNode(folder, 'node-1', 'is joined');
  await deployAgent(node, 'echo', echo, { services: ['echo'] });
  play({ stop: () => node.stop() });
} else {
  const node = await startNode(folder, 'node-2');
  const asker = await deployAgent(node, 'asker', () => {}, { actions: ['request agent:default/echo'] });
  const call = async (): Promise<void> => {
    const answer = await asker.ask({ to: 'default/echo', performative: 'request', content: payload });
    if (!answer.ok) throw new Error(`${answer.refusal.code}: ${answer.refusal.reasons.join(' ')}`);
    if ((answer.value.content as Uint8Array).length !== payload.length) throw new Error('not what was sent');
  };
  const deadline = performance.now() + findMsMax;
  while (asker.find('echo').length === 0) {
    if (performance.now() > deadline) throw new Error('the nodes did not find each other');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await call();
  play({ round: (plan) => measureCalls(call, plan), stop: () => node.stop() });
}
