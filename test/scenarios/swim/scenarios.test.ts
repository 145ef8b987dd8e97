import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { certifyDead, signSuspicion } from '../../../src/protocols/swim/claim.ts';
import { verifyClaims } from '../../../src/protocols/swim/verification.ts';
import { unverified } from '../../../src/unverified.ts';
import { claims, id } from '../../protocols/swim/stage.ts';
import { fakeAuthority, fakeSign, keyOf, utf8 } from '../../simulate/fake-claims.ts';
import { SwimCluster } from '../../simulate/swim-cluster.ts';

/**
 * What a cluster does, told as the trace of one seeded run. `UPDATE_GOLDEN=1 npx vitest run test/scenarios/swim` writes
 * the files anew: read the difference before you keep it.
 */
interface Scenario {
  readonly file: string;
  /** What the trace should show, in a sentence; the head of the file. */
  readonly about: string;
  readonly run: () => SwimCluster;
  /** What must hold whatever the trace says, so that a regenerated file cannot hide a broken promise. */
  readonly holds: (cluster: SwimCluster) => void;
}

const settledMs = 5_000;
const settled = (size: number, seed: number): SwimCluster => {
  const cluster = new SwimCluster({ size, seed });
  cluster.run(settledMs);
  return cluster;
};

const insider = (node: string) => (bytes: Uint8Array) => fakeSign(keyOf(node), bytes);

const scenarios: readonly Scenario[] = [
  {
    file: 'node-lost',
    about:
      'One of three is killed. Its closed links start probes, both others sign, and both certify within three seconds.',
    run: () => {
      const cluster = settled(3, 11);
      cluster.kill('node-3');
      cluster.run(10_000);
      return cluster;
    },
    holds: (cluster) => {
      for (const observer of ['node-1', 'node-2']) {
        expect(cluster.status(observer, 'node-3')).toBe('dead');
        expect(cluster.view(observer, 'node-3')?.sinceMs).toBeLessThan(settledMs + 3_000);
        expect(cluster.partition(observer)).toBe('majority');
      }
    },
  },
  {
    file: 'refuted',
    about:
      'All that node-3 sends is lost for a while, its first refutation too. It refutes again when it can be heard.',
    run: () => {
      const cluster = settled(3, 12);
      for (const other of ['node-1', 'node-2']) cluster.sever('node-3', other);
      cluster.run(1_500);
      cluster.heal();
      cluster.run(10_000);
      return cluster;
    },
    holds: (cluster) => {
      expect(cluster.agreesOnAlive('node-1', 'node-2', 'node-3')).toBe(true);
      expect(cluster.traceText()).toMatch(/node-3: refutes/);
      expect(cluster.traceText()).not.toMatch(/dead|unreachable/);
    },
  },
  {
    file: 'partition-heals',
    about:
      'Five split into three and two. Three certify the two dead; two can certify nothing and find three unreachable. All come back when the network heals.',
    run: () => {
      const cluster = settled(5, 13);
      cluster.split(['node-1', 'node-2', 'node-3'], ['node-4', 'node-5']);
      cluster.run(60_000);
      expect(cluster.status('node-1', 'node-4')).toBe('dead');
      expect(cluster.status('node-4', 'node-1')).toBe('unreachable');
      expect(cluster.partition('node-1')).toBe('majority');
      expect(cluster.partition('node-4')).toBe('minority');
      cluster.heal();
      cluster.run(10_000);
      return cluster;
    },
    holds: (cluster) => {
      expect(cluster.agreesOnAlive('node-1', 'node-2', 'node-3', 'node-4', 'node-5')).toBe(true);
      expect(cluster.partition('node-5')).toBe('majority');
    },
  },
  {
    file: 'two-nodes',
    about: 'Of two, one is killed. Nobody can confirm: the other finds it unreachable, never dead, and is isolated.',
    run: () => {
      const cluster = settled(2, 14);
      cluster.kill('node-2');
      cluster.run(120_000);
      return cluster;
    },
    holds: (cluster) => {
      expect(cluster.status('node-1', 'node-2')).toBe('unreachable');
      expect(cluster.partition('node-1')).toBe('isolated');
      expect(cluster.traceText()).not.toMatch(/dead/);
    },
  },
  {
    file: 'forged-death',
    about:
      'node-2 is an insider: it signs its own suspicion of node-3 and forges two more. The certificate is refused; the one suspicion that it may sign is refuted.',
    run: () => {
      const cluster = settled(5, 15);
      const own = claims.suspect('node-3', 'node-2');
      const forged = ['node-4', 'node-5'].map((accuser) =>
        signSuspicion(claims.suspect('node-3', accuser).claim, insider('node-2'), utf8),
      );
      const list = unverified([certifyDead([own, ...forged], utf8), own]);
      const { claims: believed, refusals } = verifyClaims(list, fakeAuthority, () => true);
      expect(refusals.map(({ code }) => code)).toEqual(['SIGNATURE_INVALID']);
      for (const victim of ['node-1', 'node-4', 'node-5']) {
        cluster.inject(victim, { type: 'claims', from: id('node-2'), claims: believed });
      }
      cluster.run(10_000);
      return cluster;
    },
    holds: (cluster) => {
      expect(cluster.agreesOnAlive('node-1', 'node-2', 'node-3', 'node-4', 'node-5')).toBe(true);
      expect(cluster.traceText()).not.toMatch(/dead|unreachable/);
    },
  },
  {
    file: 'restart',
    about: 'node-3 is certified dead, then boots again with the next epoch: it is back at once, at incarnation 1.',
    run: () => {
      const cluster = settled(3, 16);
      cluster.kill('node-3');
      cluster.run(5_000);
      cluster.start('node-3');
      cluster.run(1_000);
      return cluster;
    },
    holds: (cluster) => {
      expect(cluster.agreesOnAlive('node-1', 'node-2', 'node-3')).toBe(true);
      expect(cluster.view('node-1', 'node-3')).toMatchObject({ bootEpoch: 2, incarnation: 1 });
      expect(cluster.view('node-1', 'node-3')?.sinceMs).toBeLessThan(10_100);
    },
  },
  {
    file: 'lost-counter',
    about:
      'node-3 lost its disk and boots with an epoch that is behind: its peers’ memory of its own signature tells it so.',
    run: () => {
      const cluster = settled(3, 17);
      cluster.kill('node-3');
      cluster.start('node-3', 5);
      cluster.run(1_000);
      cluster.kill('node-3');
      cluster.start('node-3', 2);
      cluster.run(1_000);
      return cluster;
    },
    holds: (cluster) => {
      expect(cluster.traceText()).toMatch(/node-3: epoch is stale, known 5/);
      expect(cluster.view('node-1', 'node-3')?.bootEpoch).toBe(5);
    },
  },
  {
    file: 'leave',
    about: 'node-2 leaves in good order: nobody suspects it, its closed links mean nothing.',
    run: () => {
      const cluster = settled(3, 18);
      cluster.leave('node-2');
      cluster.run(10_000);
      return cluster;
    },
    holds: (cluster) => {
      expect(cluster.status('node-1', 'node-2')).toBe('left');
      expect(cluster.status('node-3', 'node-2')).toBe('left');
      expect(cluster.traceText()).not.toMatch(/suspected|dead|unreachable/);
    },
  },
];

describe.each(scenarios)('$file', ({ file, about, run, holds }) => {
  const cluster = run();

  test('keeps its promises', () => {
    holds(cluster);
  });

  test('has the trace on file', () => {
    const text = `${about}\n\n${cluster.traceText()}`;
    const golden = new URL(`${file}.txt`, import.meta.url);
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(golden, text);
    expect(existsSync(golden), `${file}.txt is missing: run with UPDATE_GOLDEN=1`).toBe(true);
    expect(text).toBe(readFileSync(golden, 'utf8'));
  });

  test('runs the same way again', () => {
    expect(run().traceText()).toBe(cluster.traceText());
  });
});
