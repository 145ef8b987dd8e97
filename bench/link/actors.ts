/** One Caxton node with one actor of its program: `actors.ts echo <folder>`, `actors.ts asker <folder>`. */
import { type Asked, fromHandler, programPath } from '../../src/index.ts';
import { payload, startNode } from '../caxton.ts';
import { measureCalls } from '../runner/calls.ts';
import { play } from '../runner/process.ts';

type Echo = Asked<{ readonly type: 'echo'; readonly it: Uint8Array }, Uint8Array>;

const [, , role, folder = ''] = process.argv;
const findMsMax = 15_000;
const isEcho = (data: unknown): boolean => (data as Partial<Echo>).it instanceof Uint8Array;
const isBytes = (data: unknown): data is Uint8Array => data instanceof Uint8Array;

if (role === 'echo') {
  const node = await startNode(folder, 'node-1', 'is joined', {
    actors: [
      {
        kind: 'worker',
        id: 'echo',
        logic: fromHandler<Echo>(
          () =>
            ({ it, replyTo }) =>
              replyTo.tell(it),
        ),
      },
    ],
    expose: [{ path: `${programPath}/echo`, to: ['node-2'], asks: isEcho }],
  });
  play({ stop: () => node.stop() });
} else {
  const node = await startNode(folder, 'node-2');
  const echo = node.kernel.ref<Echo>(`node-1!${programPath}/echo`);
  const call = async (): Promise<void> => {
    const answer = await node.kernel.ask(echo, { type: 'echo', it: payload }, { accepts: isBytes });
    if (!answer.ok) throw new Error(`${answer.refusal.code}: ${answer.refusal.reasons.join(' ')}`);
    if (answer.value.length !== payload.length) throw new Error('not what was sent');
  };
  const deadline = performance.now() + findMsMax;
  while (!node.control.links().some(({ peer }) => peer === 'node-1')) {
    if (performance.now() > deadline) throw new Error('the nodes did not find each other');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await call();
  play({ round: (plan) => measureCalls(call, plan), stop: () => node.stop() });
}
