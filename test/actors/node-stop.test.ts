import { afterEach, describe, expect, it } from 'vitest';
import { fromHandler } from '../../src/actors/kernel/handler.ts';
import type { NodeEvent } from '../../src/actors/operations/control.ts';
import { limits } from '../../src/limits.ts';
import { createTestCluster, type TestCluster } from '../../src/testing/test-cluster.ts';

const clusters: TestCluster[] = [];
afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.close();
});

interface Scene {
  readonly cluster: TestCluster;
  /** What the node said about its stop. */
  readonly told: NodeEvent[];
}

async function scene(): Promise<Scene> {
  const cluster = await createTestCluster({ nodes: 2 });
  clusters.push(cluster);
  await cluster.until('they find each other', () => cluster.isWhole());
  const told: NodeEvent[] = [];
  cluster.node('node-1').on((event) => {
    if (event.type.startsWith('node.')) told.push(event);
  });
  return { cluster, told };
}

/** Stops node-1 and measures it in virtual time. */
async function stop({ cluster }: Scene): Promise<number> {
  const begin = cluster.clock.monotonic();
  await cluster.settled(cluster.node('node-1').stop(), 60_000);
  return cluster.clock.monotonic() - begin;
}

const phases = (told: readonly NodeEvent[]) =>
  told.flatMap((event) => (event.type === 'node.stopping' ? [event.phase] : []));
const cuts = (told: readonly NodeEvent[]) =>
  told.flatMap((event) => (event.type === 'node.stop-cut' ? [[event.phase, event.what, event.left]] : []));

const order = ['stop-accepting', 'drain', 'leave-cluster', 'flush-audit', 'close'];

/** Never ends, however long it is given. */
const endless = {
  kind: 'worker' as const,
  shutdown: 'infinity' as const,
  logic: fromHandler(({ onShutdown }) => {
    onShutdown(() => {});
    return () => {};
  }),
};

describe('a node that stops', () => {
  it('goes through its phases in order, each with its time, and cuts nothing that ends', async () => {
    const one = await scene();
    await stop(one);
    expect(phases(one.told)).toEqual(order);
    expect(one.told.at(-1)).toEqual({ type: 'node.stopped', nodeId: 'node-1' });
    expect(cuts(one.told)).toEqual([]);
    const times = one.told.flatMap((event) => (event.type === 'node.stopping' ? [event.msMax] : []));
    expect(times.reduce((sum, ms) => sum + ms)).toBe(limits.stopMsMax);
  });

  it('cuts an actor that never ends, names it, and goes on: the others see it leave', async () => {
    const one = await scene();
    const { cluster, told } = one;
    await cluster.node('node-1').kernel.startChild('/node/program', { ...endless, id: 'endless' });
    const seen: string[] = [];
    cluster.node('node-2').on((event) => {
      if (event.type === 'member.changed' && event.member.nodeId === 'node-1') seen.push(event.member.status);
    });
    expect(await stop(one)).toBeLessThan(limits.stopDrainingMsMax);
    expect(cuts(told)).toEqual([['drain', '/node/program', ['/node/program/endless']]]);
    expect(phases(told)).toEqual(order);
    expect(seen).toEqual(['left']);
    await cluster.machine('node-1').stop();
    const records = (await (await cluster.restart('node-1')).control.auditTail({ limit: 100 })) as unknown;
    expect(JSON.stringify(records)).toContain('was cut: /node/program/endless.');
  });

  it('names some of many, and how many more there are', async () => {
    const one = await scene();
    const { kernel } = one.cluster.node('node-1');
    for (let at = 0; at < 8; at += 1) await kernel.startChild('/node/program', { ...endless, id: `endless-${at}` });
    await stop(one);
    expect(cuts(one.told)).toMatchObject([['drain', '/node/program', { length: 5 }]]);
  });

  it('gives what drains last its share, whoever used up theirs before', async () => {
    const one = await scene();
    const { cluster, told } = one;
    const { kernel } = cluster.node('node-1');
    await kernel.startChild('/node/program', { ...endless, id: 'endless' });
    let ended = false;
    const takesTime = fromHandler(({ onShutdown, finish }) => {
      const end = (): void => {
        ended = true;
        finish();
      };
      onShutdown(() => void cluster.clock.setTimeout(end, 4_500));
      return () => {};
    });
    await kernel.startChild('/node/agents', { kind: 'worker', id: 'slow', logic: takesTime });
    await stop(one);
    expect(cuts(told)).toEqual([['drain', '/node/program', ['/node/program/endless']]]);
    expect(ended).toBe(true);
  });

  it('waits for no disk that does not answer', async () => {
    const one = await scene();
    const { cluster, told } = one;
    cluster.machine('node-1').disk.before = (act) => (act === 'sync' ? new Promise(() => {}) : undefined);
    expect(await stop(one)).toBeLessThanOrEqual(limits.stopMsMax);
    expect(cuts(told).map(([phase, what]) => `${phase} ${what}`)).toEqual([
      'stop-accepting the record of the stop',
      'flush-audit /node/audit-writer',
      'close the audit log',
    ]);
    expect(phases(told)).toEqual(order);
  });

  it('is told to stop twice, and stops once', async () => {
    const one = await scene();
    const node = one.cluster.node('node-1');
    await one.cluster.settled(Promise.all([node.stop(), node.stop()]), 60_000);
    expect(phases(one.told)).toEqual(order);
  });

  it('is as quick when its tree has ended by itself', async () => {
    const one = await scene();
    one.cluster.machine('node-1').faults.crash('/node');
    const { ended } = one.cluster.node('node-1');
    expect(await one.cluster.settled(ended)).toMatchObject({ reason: 'gave-up' });
    expect(phases(one.told)).toEqual(order);
    expect(cuts(one.told)).toEqual([]);
  });
});
