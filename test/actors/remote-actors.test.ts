import { afterEach, describe, expect, test } from 'vitest';
import { type ExposedActor, programPath } from '../../src/actors/exposed-actors.ts';
import type { Asked } from '../../src/actors/kernel/asks.ts';
import { fromHandler } from '../../src/actors/kernel/handler.ts';
import type { Kernel } from '../../src/actors/kernel/kernel.ts';
import type { Down } from '../../src/actors/kernel/monitors.ts';
import type { Result } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import { seededRandom } from '../../src/testing/seeded-random.ts';
import { createTestCluster, type TestCluster } from '../../src/testing/test-cluster.ts';

type Count = { readonly type: 'count'; readonly n: number };
type Double = Asked<{ readonly type: 'double'; readonly n: number }, { readonly n: number }>;
type Order = { readonly type: 'crash' } | { readonly type: 'finish' };

const nothing = { questions: 0, watches: 0, asked: 0, visitors: 0 };
const isCount = (data: unknown): boolean => {
  const { type, n } = data as Partial<Count>;
  return type === 'count' && Number.isSafeInteger(n);
};
const isDouble = (data: unknown): boolean => (data as Partial<Double>).type === 'double';
const isNumber = (data: unknown): data is { n: number } => typeof (data as { n?: unknown } | null)?.n === 'number';
const checked = { accepts: isNumber };

const expose: readonly ExposedActor[] = [
  { path: `${programPath}/counter`, to: ['*'], tells: isCount, monitors: true },
  { path: `${programPath}/doubler`, to: ['node-1', 'node-3'], asks: isDouble },
  { path: `${programPath}/silent`, to: ['*'], asks: isDouble, monitors: true },
  { path: `${programPath}/mortal`, to: ['*'], monitors: true, links: true },
];

let cluster: TestCluster | undefined;
afterEach(async () => {
  await cluster?.close();
  cluster = undefined;
});

async function world(options: Parameters<typeof createTestCluster>[0] = {}) {
  const made = await createTestCluster({ nodes: 3, expose, ...options });
  cluster = made;
  await made.until('they find each other', () => made.isWhole());
  const counted: number[] = [];
  const kernel = (id: string): Kernel => made.node(id).kernel;
  const furnish = async (id: string): Promise<void> => {
    const start = async (name: string, logic: Parameters<typeof fromHandler>[0]): Promise<void> => {
      const spec = { kind: 'worker', id: name, logic: fromHandler(logic), restart: 'temporary' } as const;
      const started = await made.settled(kernel(id).startChild(programPath, spec));
      if (!started.ok) throw new Error(started.refusal.reasons.join(' '));
    };
    await start('counter', () => (message) => counted.push((message as unknown as Count).n));
    await start(
      'doubler',
      () => (message) => (message as unknown as Double).replyTo.tell({ n: 2 * (message as unknown as Double).n }),
    );
    await start('silent', () => () => {});
    await start('mortal', (self) => (message) => {
      if ((message as unknown as Order).type === 'crash') throw new Error('secret');
      self.finish();
    });
  };
  for (const id of made.nodes) await furnish(id);
  const downs: Down[] = [];
  const watch = (from: string, path: string): void => {
    const watched = kernel(from).monitor(kernel(from).ref(path), (down) => downs.push(down));
    if (!watched.ok) throw new Error('not watched');
  };
  const count = (from: string, n: number): Result<void> =>
    kernel(from).ref<Count>(`node-2!${programPath}/counter`).tell({ type: 'count', n });
  const double = (from: string, place: string, timeoutMs = 30_000) =>
    kernel(from).ask(
      kernel(from).ref<Double>(`node-2!${programPath}/${place}`),
      { type: 'double', n: 21 },
      { timeoutMs, ...checked },
    );
  return { cluster: made, kernel, furnish, counted, downs, watch, count, double };
}

describe('actors of two nodes of a cluster', () => {
  test('are told, asked and watched by one address', async () => {
    const { cluster, kernel, counted, downs, watch, count, double } = await world();
    for (let n = 0; n < 100; n++) expect(count('node-1', n).ok).toBe(true);
    await cluster.until('all are counted', () => counted.length === 100);
    expect(counted).toEqual(Array.from({ length: 100 }, (_, n) => n));
    expect(await cluster.settled(double('node-1', 'doubler'))).toEqual({ ok: true, value: { n: 42 } });
    watch('node-1', `node-2!${programPath}/mortal`);
    watch('node-1', `node-2!${programPath}/nobody`);
    await cluster.until('the watch stands', () => kernel('node-2').remote?.visitors === 1);
    await cluster.until('the other is refused', () => downs.length === 1);
    expect(downs).toMatchObject([{ reason: 'refused' }]);
    kernel('node-2').ref<Order>(`${programPath}/mortal`).tell({ type: 'crash' });
    await cluster.until('it fires', () => downs.length === 2);
    expect(downs[1]).toMatchObject({ reason: 'crash', path: `node-2!${programPath}/mortal` });
    expect(downs[1]?.error).toBeUndefined();
    for (const id of cluster.nodes) expect(kernel(id).remote).toEqual(nothing);
  });

  test('of a node that is nobody’s are unreachable at once', async () => {
    const { cluster, kernel, downs, watch } = await world();
    watch('node-1', `node-9!${programPath}/mortal`);
    await cluster.advance(0);
    expect(downs).toMatchObject([{ reason: 'node-lost' }]);
    expect(kernel('node-1').ref('node-9!/node/x').tell({ type: 'x' })).toMatchObject({
      refusal: { code: 'UNREACHABLE', message: { type: 'x' } },
    });
  });

  test('outlive a partition that their link outlives: everything arrives, nothing fires', async () => {
    const { cluster, counted, downs, watch, count } = await world();
    watch('node-1', `node-2!${programPath}/mortal`);
    await cluster.advance(100);
    cluster.partition(['node-1'], ['node-2', 'node-3']);
    for (let n = 0; n < 50; n++) expect(count('node-1', n).ok).toBe(true);
    await cluster.advance(1_000);
    expect(counted).toEqual([]);
    cluster.heal();
    await cluster.until('all are counted', () => counted.length === 50);
    expect(counted).toEqual(Array.from({ length: 50 }, (_, n) => n));
    expect(downs).toEqual([]);
  });

  test.each([1, 2])('outlive their links: what was taken arrives, in order, once (seed %s)', async (seed) => {
    const { cluster, kernel, counted, downs, watch, count, double } = await world({
      seed,
      conditions: { latencyMs: 1, jitterMs: 3 },
    });
    watch('node-1', `node-2!${programPath}/mortal`);
    watch('node-2', `node-1!${programPath}/mortal`);
    const random = seededRandom(seed);
    const taken: number[] = [];
    const answers: Promise<unknown>[] = [];
    for (let n = 0; n < 1_500; n++) {
      if (count('node-1', n).ok) taken.push(n);
      if (n % 50 === 0) answers.push(double('node-1', 'doubler'));
      if (random.uint32() % 40 === 0) cluster.network.breakLinks('node-1', 'node-2');
      if (random.uint32() % 4 === 0) await cluster.advance(random.uint32() % 60);
    }
    await cluster.until('all are counted', () => counted.length >= taken.length);
    await cluster.advance(1_000);
    expect(counted).toEqual(taken);
    expect(taken.length).toBeGreaterThan(500);
    expect(downs).toEqual([]);
    const outcomes = (await cluster.settled(Promise.all(answers))) as Result<unknown>[];
    const codes = new Set(outcomes.map((outcome) => (outcome.ok ? 'answered' : outcome.refusal.code)));
    expect([...codes].sort()).toEqual(['UNREACHABLE', 'answered']);
    kernel('node-2').ref<Order>(`${programPath}/mortal`).tell({ type: 'crash' });
    await cluster.until('the watch fires', () => downs.length === 1);
    expect(downs).toMatchObject([{ reason: 'crash' }]);
  });

  test('lose each other in a partition, once, and begin anew after it', async () => {
    const { cluster, kernel, counted, downs, watch, count, double } = await world();
    watch('node-1', `node-2!${programPath}/mortal`);
    watch('node-2', `node-1!${programPath}/mortal`);
    const asked = double('node-1', 'silent');
    await cluster.until('the question is there', () => kernel('node-2').remote?.asked === 1);
    cluster.partition(['node-1'], ['node-2', 'node-3']);
    await cluster.until('both sides know', () => downs.length === 2);
    expect(await cluster.settled(asked)).toMatchObject({ refusal: { code: 'UNREACHABLE' } });
    await cluster.advance(60_000);
    expect(downs.map(({ reason }) => reason)).toEqual(['node-lost', 'node-lost']);
    for (const id of cluster.nodes) expect(kernel(id).remote).toEqual(nothing);
    watch('node-1', `node-2!${programPath}/mortal`);
    await cluster.advance(0);
    expect(downs).toHaveLength(3);
    expect(count('node-1', 1)).toMatchObject({ refusal: { code: 'UNREACHABLE' } });
    cluster.heal();
    await cluster.until('they find each other again', () => cluster.isWhole(), 300_000);
    watch('node-1', `node-2!${programPath}/mortal`);
    await cluster.until('it is counted', () => count('node-1', 7).ok && counted.includes(7));
    expect(downs).toHaveLength(3);
  });

  test('of a node that was killed are lost at the latest after the time in which it could come back', async () => {
    const { cluster, kernel, downs, watch, double } = await world();
    watch('node-1', `node-2!${programPath}/mortal`);
    const asked = double('node-1', 'silent');
    await cluster.advance(100);
    cluster.crash('node-2');
    await cluster.advance(limits.actorResumeMs + 100);
    expect(downs).toMatchObject([{ reason: 'node-lost' }]);
    expect(await cluster.settled(asked)).toMatchObject({ refusal: { code: 'UNREACHABLE' } });
    expect(kernel('node-1').remote).toEqual(nothing);
  });

  test('of a node that says goodbye are lost at once', async () => {
    const { cluster, downs, watch } = await world();
    watch('node-1', `node-2!${programPath}/mortal`);
    await cluster.advance(100);
    await cluster.stop('node-2');
    // The life ended before its node did, and that is what is told.
    expect(downs).toMatchObject([{ reason: 'shutdown' }]);
  });

  test.each(['node-1', 'node-2'])('know one boot of a node from the next: %s', async (again) => {
    // Two nodes: whatever numbers the first boot gave, the next one gives them too.
    const { cluster, kernel, furnish, downs, watch, double } = await world({ nodes: 2 });
    const other = again === 'node-1' ? 'node-2' : 'node-1';
    watch('node-1', `node-2!${programPath}/mortal`);
    watch('node-2', `node-1!${programPath}/mortal`);
    await cluster.until('both stand', () => cluster.nodes.every((id) => kernel(id).remote?.visitors === 1));
    cluster.crash(again);
    downs.length = 0;
    await cluster.restart(again);
    await furnish(again);
    await cluster.until('they find each other', () => cluster.isWhole());
    await cluster.until('the watch over the earlier boot fired', () => downs.length > 0);
    await cluster.advance(30_000);
    expect(downs).toMatchObject([{ reason: 'node-lost', path: `${again}!${programPath}/mortal` }]);
    expect(kernel(other).remote).toEqual(nothing);
    expect(kernel(again).remote).toEqual(nothing);
    expect(await cluster.settled(double('node-1', 'doubler'))).toMatchObject({ value: { n: 42 } });
  });

  test('do not answer a later boot what an earlier one asked', async () => {
    const { cluster, kernel, double } = await world();
    const held: Double[] = [];
    const keeper = fromHandler<Double>(() => (message) => held.push(message));
    const spec = { kind: 'worker', id: 'silent', logic: keeper } as const;
    await cluster.settled(kernel('node-2').terminateChild(programPath, 'silent'));
    await cluster.settled(kernel('node-2').startChild(programPath, spec));
    void double('node-1', 'silent');
    await cluster.until('the question is there', () => held.length === 1);
    cluster.crash('node-1');
    await cluster.restart('node-1');
    await cluster.until('they find each other', () => cluster.isWhole());
    const asked = double('node-1', 'silent');
    await cluster.until('the next question is there', () => held.length === 2);
    expect(held[0]!.replyTo.tell({ n: 1 })).toMatchObject({ refusal: { code: 'STOPPED' } });
    expect(kernel('node-2').deadLetters.byReason().get('asker gone')).toBe(1);
    expect(held[1]!.replyTo.tell({ n: 2 }).ok).toBe(true);
    expect(await cluster.settled(asked)).toEqual({ ok: true, value: { n: 2 } });
  });

  test('that ask no longer are not answered: a timeout and a cancellation reach the other node', async () => {
    const { cluster, kernel, double } = await world();
    const asked = double('node-1', 'silent', 1_000);
    await cluster.until('the question is there', () => kernel('node-2').remote?.asked === 1);
    expect(await cluster.settled(asked)).toMatchObject({ refusal: { code: 'TIMED_OUT' } });
    await cluster.until('it is forgotten', () => kernel('node-2').remote?.asked === 0);
    const stop = new AbortController();
    const ref = kernel('node-1').ref<Double>(`node-2!${programPath}/silent`);
    const next = kernel('node-1').ask(ref, { type: 'double', n: 1 }, { signal: stop.signal, ...checked });
    await cluster.until('the question is there', () => kernel('node-2').remote?.asked === 1);
    stop.abort();
    expect(await next).toMatchObject({ refusal: { code: 'CANCELLED' } });
    await cluster.until('it is forgotten', () => kernel('node-2').remote?.asked === 0);
  });

  test.each(['the far one crashes', 'the near one crashes', 'the node is killed'])(
    'end together when they are linked: %s',
    async (what) => {
      const { cluster, kernel } = await world();
      const alive = (id: string) =>
        kernel(id)
          .tree()
          .some(({ path }) => path === `${programPath}/mortal`);
      const linked = kernel('node-1').link(
        kernel('node-1').ref(`${programPath}/mortal`),
        kernel('node-1').ref(`node-2!${programPath}/mortal`),
      );
      expect(linked.ok).toBe(true);
      await cluster.until('the link stands', () => kernel('node-2').remote?.visitors === 1);
      if (what === 'the node is killed') cluster.crash('node-2');
      else
        kernel(what === 'the far one crashes' ? 'node-2' : 'node-1')
          .ref<Order>(`${programPath}/mortal`)
          .tell({ type: 'crash' });
      await cluster.until('the near one ends', () => !alive('node-1'));
      if (what !== 'the node is killed') await cluster.until('the far one ends', () => !alive('node-2'));
    },
  );

  test('may do what was opened to their node, and nothing else', async () => {
    const { cluster, kernel, counted } = await world();
    const from3 = kernel('node-3');
    const at = (path: string) => from3.ref<Double>(`node-1!${path}`);
    const question = { type: 'double', n: 1 } as const;
    const ask = (kernel: Kernel, path: string) =>
      cluster.settled(kernel.ask(kernel.ref<Double>(path), question, checked));
    expect(await ask(from3, `node-2!${programPath}/doubler`)).toMatchObject({ ok: true });
    for (const [asker, path] of [
      ['node-2', `node-1!${programPath}/doubler`],
      ['node-3', `node-1!${programPath}/counter`],
      ['node-3', `node-1!${programPath}/absent`],
      ['node-3', 'node-1!/node/cluster/gossip-member'],
      ['node-3', 'node-1!/node/audit-writer'],
    ] as const)
      expect(await ask(kernel(asker), path)).toMatchObject({ refusal: { code: 'UNAUTHORIZED' } });
    expect(
      await cluster.settled(from3.ask(at(`${programPath}/doubler`), { type: 'x' } as never, checked)),
    ).toMatchObject({
      refusal: { code: 'MALFORMED' },
    });
    from3.ref<Count>(`node-1!${programPath}/counter`).tell({ type: 'count', n: 0.5 });
    from3.ref<Count>(`node-1!${programPath}/counter`).tell({ type: 'count', n: 8 });
    await cluster.until('the good one is counted', () => counted.length === 1);
    expect(counted).toEqual([8]);
    await cluster.advance(2_000);
    const { value } = (await cluster.settled(cluster.node('node-1').control.auditTail({ limit: 100 }))) as {
      value: readonly { type: string; identity: string; code?: string; metadata: { operation?: string } }[];
    };
    const denied = value.filter(({ type }) => type === 'AccessDenied');
    expect(denied.map(({ code, metadata }) => `${metadata.operation} ${code}`)).toEqual([
      'ask UNAUTHORIZED',
      'ask UNAUTHORIZED',
      'ask UNAUTHORIZED',
      'ask UNAUTHORIZED',
      'ask UNAUTHORIZED',
      'ask MALFORMED',
      'tell MALFORMED',
    ]);
    expect(denied.at(-1)?.identity).toMatch(/^spiffe:.*node-3$/);
  });

  test('give an answer only to who has a check for it', async () => {
    const { cluster, kernel } = await world();
    const here = kernel('node-1');
    const ref = here.ref<Double>(`node-2!${programPath}/doubler`);
    const question = { type: 'double', n: 1 } as const;
    expect(await here.ask(ref, question)).toMatchObject({ refusal: { code: 'NOT_SUPPORTED' } });
    const picky = here.ask(ref, question, { accepts: (answer) => typeof answer === 'string' });
    expect(await cluster.settled(picky)).toMatchObject({ refusal: { code: 'MALFORMED' } });
  });
});
