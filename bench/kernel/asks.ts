/** Questions and answers within one process: `asks.ts kernel | queue`. */

import type { Asked } from '../../src/actors/kernel/asks.ts';
import { fromHandler } from '../../src/actors/kernel/handler.ts';
import type { Result } from '../../src/errors.ts';
import { play } from '../runner/process.ts';
import type { Reading } from '../runner/rounds.ts';
import { plainKernel, supervisor, worker } from './kernels.ts';

type Double = Asked<{ readonly type: 'double'; readonly n: number }, number>;

/** Asks to double a number, and takes the answer out of what came. */
interface Asker<A> {
  readonly ask: (n: number) => Promise<A>;
  readonly answer: (result: A) => number | undefined;
}

async function throughKernel(): Promise<Asker<Result<number>>> {
  const kernel = plainKernel();
  const doubler = fromHandler<Double>(() => ({ n, replyTo }) => {
    replyTo.tell(2 * n);
  });
  await kernel.start(supervisor([worker('a', doubler)]));
  const ref = kernel.ref<Double>('/node/a');
  return {
    ask: (n) => kernel.ask(ref, { type: 'double', n }),
    answer: (result) => (result.ok ? result.value : undefined),
  };
}

/** The least that an answer by way of a queue can cost: a promise, without timeout, bound or inbox. */
function throughQueue(): Asker<number> {
  let queue: { n: number; resolve: (answer: number) => void }[] = [];
  const drain = (): void => {
    const asked = queue;
    queue = [];
    for (const { n, resolve } of asked) resolve(2 * n);
  };
  return {
    ask: (n) =>
      new Promise((resolve) => {
        if (queue.length === 0) setImmediate(drain);
        queue.push({ n, resolve });
      }),
    answer: (result) => result,
  };
}

/** No time is taken of the single call: reading the clock twice costs a fifth of an ask. */
async function measure<A>({ ask, answer }: Asker<A>, inFlight: number, ms: number): Promise<Reading> {
  const begin = performance.now();
  let asked = 0;
  let over = false;
  const caller = async (): Promise<void> => {
    while (!over) {
      const n = asked++;
      if (answer(await ask(n)) !== 2 * n) throw new Error('a wrong answer');
      if ((n & 255) === 0) over = performance.now() - begin > ms;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  return { perSecond: (asked / (performance.now() - begin)) * 1_000 };
}

const asker = process.argv[2] === 'queue' ? throughQueue() : await throughKernel();

play({
  round: ({ inFlight, ms }: { inFlight: number; ms: number }) => measure(asker as Asker<unknown>, inFlight, ms),
});
