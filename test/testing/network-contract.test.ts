import { createNodeNetwork } from '../../src/actors/cluster/links/node-network.ts';
import { nodeClock } from '../../src/actors/kernel/node-clock.ts';
import { ManualClock, settle } from '../../src/testing/manual-clock.ts';
import { MemoryNetwork } from '../../src/testing/memory-network.ts';
import { until } from '../actors/cluster/links/link-lab.ts';
import { networkContract } from './network-contract.ts';

networkContract('on sockets', () => {
  const clock = new ManualClock();
  return {
    network: createNodeNetwork({ clock }),
    until: (what, probe) => until(what, probe),
    settled: (promise) => promise,
    pass: async (ms) => {
      await settle();
      clock.advance(ms);
      await settle();
    },
  };
});

networkContract('in memory', () => {
  // Certificates of these tests are of today.
  const clock = new ManualClock(nodeClock.now());
  const untilHere = async <T>(what: string, probe: () => T | undefined | false): Promise<NonNullable<T>> => {
    for (let passed = 0; passed < 10_000; passed += 1) {
      await settle(2);
      const found = probe();
      if (found) return found as NonNullable<T>;
      clock.advance(1);
    }
    throw new Error(`did not happen within ten seconds: ${what}`);
  };
  return {
    network: new MemoryNetwork({ clock }).host('here'),
    until: untilHere,
    settled: async (promise) => {
      let done = false;
      const end = () => {
        done = true;
      };
      promise.then(end, end);
      await untilHere('it settles', () => done);
      return promise;
    },
    pass: (ms) => clock.advanceAsync(ms),
  };
});
