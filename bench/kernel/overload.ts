/** Ten times more than an actor can serve, for a while: what it costs, and what of it is lost. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { fromHandler } from '../../src/actors/kernel/handler.ts';
import type { Down } from '../../src/actors/kernel/monitors.ts';
import { play } from '../runner/process.ts';
import type { Reading } from '../runner/rounds.ts';
import { quantile } from '../runner/statistics.ts';
import { plainKernel, supervisor, worker } from './kernels.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

type Work =
  | { readonly type: 'work'; readonly body: readonly number[] }
  | { readonly type: 'urgent'; readonly at: number }
  | Down;

/** Microseconds that one message keeps the actor busy. */
const workUs = 20;
const perMs = 1_000 / workUs;
/** A message that was kept would show: 200 bytes each, ten times the rate for ten seconds is a gigabyte. */
const bodyNumbers = 25;

async function round({ ms }: { ms: number }): Promise<Reading> {
  const kernel = plainKernel();
  const delays: number[] = [];
  let served = 0;
  let downs = 0;
  const logic = fromHandler<Work>(() => (message) => {
    if (message.type === 'urgent') delays.push(performance.now() - message.at);
    else if (message.type === 'kernel.down') downs += 1;
    else {
      const end = performance.now() + workUs / 1_000;
      while (performance.now() < end);
      served += 1;
    }
  });
  await kernel.start(supervisor([worker('busy', logic)]));
  const ref = kernel.ref<Work>('/node/busy');
  gc();
  const heapBefore = process.memoryUsage().heapUsed;
  let heapMost = 0;
  let offered = 0;
  let refused = 0;
  let urgent = 0;
  const watched = kernel.ref('/node/nobody');
  const begin = performance.now();
  let last = begin;
  while (last - begin < ms) {
    // Whatever the last turn of the event loop took: ten times what can be served in it.
    const now = performance.now();
    for (let left = (now - last) * perMs * 10; left > 0; left -= 1) {
      offered += 1;
      if (!ref.tell({ type: 'work', body: new Array<number>(bodyNumbers).fill(offered) }).ok) refused += 1;
    }
    last = now;
    urgent += 1;
    if (!ref.tell({ type: 'urgent', at: performance.now() }, 'control').ok) throw new Error('control was refused');
    // There is nobody there, so this one fires at once, on the supervision lane.
    if (!kernel.monitor(watched, ref as never).ok) throw new Error('a monitor was refused');
    if (urgent % 64 === 0) heapMost = Math.max(heapMost, process.memoryUsage().heapUsed);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const elapsed = last - begin;
  while (delays.length < urgent || downs < urgent) await new Promise((resolve) => setImmediate(resolve));
  gc();
  const heapAfter = process.memoryUsage().heapUsed;
  await kernel.stop();
  const sorted = Float64Array.from(delays).sort();
  return {
    times: offered / (elapsed * perMs),
    servedPerSecond: (served / elapsed) * 1_000,
    refusedPart: refused / offered,
    controlP50Ms: quantile(sorted, 0.5),
    controlP99Ms: quantile(sorted, 0.99),
    controlWorstMs: sorted.at(-1)!,
    urgentLost: 2 * urgent - delays.length - downs,
    heapMostMb: (heapMost - heapBefore) / 2 ** 20,
    heapAfterMb: (heapAfter - heapBefore) / 2 ** 20,
  };
}

play({ round });
