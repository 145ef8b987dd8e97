import type { Reading } from './rounds.ts';
import { quantile } from './statistics.ts';

export interface CallsPlan {
  readonly inFlight: number;
  readonly ms: number;
}

/**
 * Calls again and again for a time, with so many under way at once; every contender is driven by this same loop. A call
 * that fails ends the bench.
 *
 * @returns calls in a second; median and 99th percentile of their duration in microseconds.
 */
export async function measureCalls(call: () => Promise<void>, { inFlight, ms }: CallsPlan): Promise<Reading> {
  const durations: number[] = [];
  const start = performance.now();
  const end = start + ms;
  let last = start;
  const caller = async (): Promise<void> => {
    while (last < end) {
      const begin = performance.now();
      await call();
      last = performance.now();
      durations.push(last - begin);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  const elapsed = performance.now() - start;
  const sorted = Float64Array.from(durations).sort();
  return {
    perSecond: (durations.length / elapsed) * 1_000,
    p50: quantile(sorted, 0.5) * 1_000,
    p99: quantile(sorted, 0.99) * 1_000,
  };
}

/**
 * Sends in batches and waits after each until all of it has arrived: one-way messages must not pile up in an inbox, whose
 * bound would refuse them.
 *
 * @returns messages in a second.
 */
export async function measureTells(
  batch: (messages: number) => Promise<void> | void,
  { messages, ms }: { readonly messages: number; readonly ms: number },
): Promise<Reading> {
  const start = performance.now();
  let sent = 0;
  let elapsed = 0;
  while (elapsed < ms) {
    await batch(messages);
    sent += messages;
    elapsed = performance.now() - start;
  }
  return { perSecond: (sent / elapsed) * 1_000 };
}
