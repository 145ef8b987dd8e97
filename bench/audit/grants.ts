/** What a granted message costs the log: pairs of rounds, at the levels `none` and `aggregate`, in one process. */
import { join } from 'node:path';
import { auditPolicy } from '../../src/protocols/audit/level.ts';
import { play } from '../runner/process.ts';
import type { Reading } from '../runner/rounds.ts';
import { folder, logIn, writing } from './lab.ts';

const { path, remove } = folder();
const names = Array.from({ length: 64 }, (_, i) => `default/agent-${i}`);
const none = logIn(join(path, 'none'), { policy: auditPolicy({ AccessGranted: 'none' }) });
const aggregate = logIn(join(path, 'aggregate'));
const closes = [await writing(none), await writing(aggregate)];

function nsOf(log: typeof none, calls: number): number {
  const begin = performance.now();
  for (let i = 0; i < calls; i++) {
    const sender = names[i % 64]!;
    const receiver = names[(i + 1) % 64]!;
    log.grant(sender, receiver, 'request', () => ({
      type: 'AccessGranted',
      identity: sender,
      sourceIp: '',
      outcome: 'success',
      reasons: [],
      metadata: { sender, receiver, operation: 'request' },
    }));
  }
  return ((performance.now() - begin) / calls) * 1e6;
}

play({
  round: async ({ calls }: { readonly calls: number }): Promise<Reading> => {
    const without = nsOf(none, calls);
    const counted = nsOf(aggregate, calls);
    return { none: without, aggregate: counted };
  },
  stop: async () => {
    for (const close of closes) await close();
    remove();
  },
});
