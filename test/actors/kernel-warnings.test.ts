import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kernelWarnings } from '../../src/actors/kernel-warnings.ts';
import { createNode } from '../../src/actors/node.ts';
import { developmentCluster } from '../../src/development/development-cluster.ts';
import { FaultInjector } from '../../src/testing/faults.ts';

function heard(stopping = false) {
  const said: string[] = [];
  return {
    said,
    ...kernelWarnings(
      (message) => said.push(message),
      () => stopping,
    ),
  };
}

describe('what a kernel tells whoever runs the node', () => {
  it('is said in words', () => {
    const { said, onDeadLetter, onSlowTurn, onSnapshotFault } = heard();
    onDeadLetter({ kind: 'letter', path: '/node/a', reason: 'unknown', last: false });
    onDeadLetter({ kind: 'letter', path: '/node/a', reason: 'unknown', last: true });
    onDeadLetter({ kind: 'suppressed', reason: 'unknown', count: 7 });
    onSlowTurn({ path: '/node/a', ms: 250.4 });
    onSnapshotFault({ path: '/node/a', refusal: { code: 'MALFORMED', reasons: ['It is no JSON.'] } });
    expect(said).toEqual([
      'a message to /node/a was lost (unknown)',
      'a message to /node/a was lost (unknown); more that are lost so are only counted for 5 minutes',
      '7 more messages were lost (unknown)',
      'a turn of /node/a took 250 ms, and all others waited',
      'the state of /node/a is not kept as it should be: MALFORMED: It is no JSON.',
    ]);
  });

  it('has nothing in it that a terminal would obey, though another node chose the path', () => {
    const { said, onDeadLetter } = heard();
    onDeadLetter({ kind: 'letter', path: '/node/\u001b[2J\n\u202e', reason: 'not exposed', last: false });
    expect(said).toEqual(['a message to /node/\uFFFD[2J\uFFFD\uFFFD was lost (not exposed)']);
  });

  it('is nothing about messages that are lost to an order to stop', () => {
    const { said, onDeadLetter } = heard(true);
    onDeadLetter({ kind: 'letter', path: '/node/a', reason: 'stopped', last: false });
    expect(said).toEqual([]);
  });
});

it('a node warns of lost messages and of slow turns, with the path', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'caxton-warnings-'));
  const cluster = await developmentCluster({ folder });
  const faults = new FaultInjector();
  const warnings: string[] = [];
  const node = await createNode(cluster.config(), {
    ports: { faults: faults.hook },
    onWarning: (message) => warnings.push(message),
  });
  try {
    for (let n = 0; n < 12; n += 1) node.kernel.ref('/node/program/nobody').tell({ type: 'hello' });
    faults.slowTurn('/node/audit-keeper', 120);
    const slow = /^a turn of \/node\/audit-keeper took \d+ ms/;
    await expect.poll(() => warnings.some((warning) => slow.test(warning))).toBe(true);
  } finally {
    await node.stop();
    await rm(folder, { recursive: true, force: true });
  }
  expect(warnings.filter((warning) => warning.includes('was lost'))).toHaveLength(10);
});
