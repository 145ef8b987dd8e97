import { afterEach, describe, expect, test } from 'vitest';
import type { Asked } from '../../../../src/actors/kernel/asks.ts';
import { fromHandler } from '../../../../src/actors/kernel/handler.ts';
import type { Down } from '../../../../src/actors/kernel/monitors.ts';
import type { Message, Ref } from '../../../../src/actors/kernel/ref.ts';
import type { WorkerSpec } from '../../../../src/actors/kernel/spec.ts';
import type { Result } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import { type KernelNode, linkUp, startKernelNode } from './kernel-lab.ts';
import { makeCa, Undo, until } from './link-lab.ts';

type Echo = Asked<{ readonly type: 'echo'; readonly it: unknown }, unknown>;

const undo = new Undo();
afterEach(() => undo.run());

const anything = () => true;
const open = { tells: anything, asks: anything, monitors: true, links: true };
const nothing = { questions: 0, watches: 0, asked: 0, visitors: 0 };

/** Two kernels, linked. On `two` there are an echo, somebody who keeps what he gets, and one who never answers. */
async function pair() {
  const ca = makeCa();
  const got: Message[] = [];
  const child = (id: string, logic: WorkerSpec['logic']): WorkerSpec => ({ kind: 'worker', id, logic });
  const children = [
    child(
      'echo',
      fromHandler<Echo>(
        () =>
          ({ it, replyTo }) =>
            replyTo.tell(it as never),
      ),
    ),
    child(
      'keeper',
      fromHandler<Message>(() => (message) => got.push(message)),
    ),
    child(
      'silent',
      fromHandler<Echo>(() => () => {}),
    ),
  ];
  const one = await startKernelNode(undo, ca, 'one', { exposed: () => open, children });
  const two = await startKernelNode(undo, ca, 'two', { exposed: () => open, children });
  await linkUp(one.node, two.node);
  const ref = <M = Message>(id: string): Ref<M> => one.kernel.ref<M>(`two!/node/${id}`);
  const echo = (it: unknown): Promise<Result<unknown>> =>
    one.kernel.ask(ref<Echo>('echo'), { type: 'echo', it }, { accepts: anything });
  return { ca, one, two, got, ref, echo };
}

/** Cuts the TCP connection under a link, as a network does. */
const breakLink = ({ node }: KernelNode, peer: KernelNode): void =>
  (node.links.get(peer.node.nodeId)!.channel as unknown as { close(code: number, reason: string): void }).close(
    4999,
    'cut',
  );

describe('kernels over links of TLS', () => {
  test('carry messages in order, and what is data comes as it was', async () => {
    const { one, two, got, ref, echo } = await pair();
    for (let n = 0; n < 1_000; n++) expect(ref('keeper').tell({ type: 'n', n } as Message).ok).toBe(true);
    await until('all have come', () => got.length === 1_000);
    expect(got).toEqual(Array.from({ length: 1_000 }, (_, n) => ({ type: 'n', n })));
    const data = {
      text: 'ü€😀',
      bytes: Uint8Array.of(0, 255),
      deep: [[-1, 2.5, null, true, { a: -0 }]],
      none: undefined,
    };
    const { none: _, ...rest } = data;
    expect(await echo(data)).toStrictEqual({ ok: true, value: rest });
    expect(await echo(undefined)).toStrictEqual({ ok: true, value: undefined });
    await until('nothing is held', () => one.kernel.remote?.questions === 0 && two.kernel.remote?.asked === 0);
  });

  test('take a ref along as the address that it has for everybody', async () => {
    const { one, two, echo } = await pair();
    const here = one.kernel.ref('/node/keeper');
    expect(await echo({ here, there: one.kernel.ref('two!/node/echo') })).toEqual({
      ok: true,
      value: { here: 'one!/node/keeper', there: 'two!/node/echo' },
    });
    expect(two.kernel.ref('one!/node/keeper').tell({ type: 'x' }).ok).toBe(true);
  });

  test.each<[string, unknown, string]>([
    ['what is no data', { it: () => {} }, 'MALFORMED'],
    ['what is too large', { it: 'x'.repeat(limits.contentBytesMax) }, 'LIMIT_EXCEEDED'],
  ])('give %s back to its sender', async (_, it, code) => {
    const { ref, echo } = await pair();
    const message = { type: 'x', it };
    expect(ref('keeper').tell(message)).toMatchObject({ refusal: { code } });
    expect(ref('keeper').tell({ type: 'x' }).ok).toBe(true);
    expect(await echo(it)).toMatchObject({ refusal: { code, message: { it } } });
  });

  test('tell an asker at once that the answer cannot be carried', async () => {
    const { one, two, ref } = await pair();
    const answer = fromHandler<Echo>(
      () =>
        ({ replyTo }) =>
          replyTo.tell(new Map() as never),
    );
    await two.kernel.startChild('/node', { kind: 'worker', id: 'map', logic: answer });
    const asked = one.kernel.ask(ref<Echo>('map'), { type: 'echo', it: 1 }, { accepts: anything });
    expect(await asked).toMatchObject({ refusal: { code: 'MALFORMED' } });
    expect(two.kernel.remote?.asked).toBe(0);
  });

  test('refuse at the sender what a full window would have to hold, and go on when it is empty', async () => {
    const { got, ref } = await pair();
    const bytes = new Uint8Array(100_000);
    let taken = 0;
    for (let n = 0; n < 100; n++) {
      const told = ref('keeper').tell({ type: 'x', bytes } as Message);
      if (told.ok) taken++;
      else expect(told).toMatchObject({ refusal: { code: 'INBOX_FULL', message: { type: 'x' } } });
    }
    expect(taken).toBe(Math.floor(limits.actorWindowBytes / 100_100));
    await until('all have come', () => got.length === taken);
    await until('there is room again', () => ref('keeper').tell({ type: 'x', bytes } as Message).ok);
  });

  test('go on over the next link where they were, when a link breaks', async () => {
    const { one, two, got, ref, echo } = await pair();
    const downs: Down[] = [];
    one.kernel.monitor(ref('silent'), (down) => downs.push(down));
    const stop = new AbortController();
    const options = { accepts: anything, timeoutMs: 60_000, signal: stop.signal };
    const asked = one.kernel.ask(ref<Echo>('silent'), { type: 'echo', it: 1 }, options);
    await until('both stand', () => two.kernel.remote?.visitors === 1 && two.kernel.remote.asked === 1);
    const taken: number[] = [];
    for (let n = 0, breaks = 0; n < 3_000; n++) {
      if (ref('keeper').tell({ type: 'n', n } as Message).ok) taken.push(n);
      if (n % 500 === 250 && breaks++ < 5) breakLink(n % 1_000 > 500 ? one : two, n % 1_000 > 500 ? two : one);
      if (n % 100 === 0) {
        await new Promise(setImmediate);
        await until('the link is back', () => one.node.links.get(two.node.nodeId));
      }
    }
    await until('all have come', () => got.length >= taken.length);
    expect(got.map((message) => (message as unknown as { n: number }).n)).toEqual(taken);
    expect(await echo('still there')).toEqual({ ok: true, value: 'still there' });
    expect(downs).toEqual([]);
    expect(one.kernel.remote).toMatchObject({ questions: 1, watches: 1 });
    await two.kernel.terminateChild('/node', 'silent');
    await until('the monitor fires', () => downs.length === 1);
    expect(downs).toMatchObject([{ reason: 'shutdown' }]);
    stop.abort();
    expect(await asked).toMatchObject({ refusal: { code: 'CANCELLED' } });
    await until('it is forgotten there', () => two.kernel.remote?.asked === 0);
  });

  test('lose a node that the cluster finds dead, at once and at both ends, though its link stands', async () => {
    const { one, two, ref, echo } = await pair();
    const downs: Down[] = [];
    one.kernel.monitor(ref('silent'), (down) => downs.push(down));
    two.kernel.monitor(two.kernel.ref('one!/node/silent'), (down) => downs.push(down));
    await until('both stand', () => two.kernel.remote?.visitors === 1 && one.kernel.remote?.visitors === 1);
    const dead = { nodeId: two.node.nodeId, bootEpoch: 1, status: 'dead' } as const;
    one.transport.memberChanged({ ...dead, bootEpoch: 0 } as never);
    expect(await echo(1)).toMatchObject({ ok: true });
    one.transport.memberChanged(dead as never);
    await until('both sides hear of it', () => downs.length === 2);
    expect(downs.map(({ reason }) => reason)).toEqual(['node-lost', 'node-lost']);
    // It was a mistake: the link carries the next beginning.
    await until('they go on', () => one.transport.send('two', { kind: 'tell', path: '/node/keeper', content: {} }).ok);
    expect(await echo(2)).toMatchObject({ ok: true });
    expect(one.kernel.remote).toEqual(nothing);
    expect(two.kernel.remote).toEqual(nothing);
  });

  test('take the next boot of a node for another, although it numbers its streams the same', async () => {
    const { ca, one, two } = await pair();
    const downs: Down[] = [];
    two.kernel.monitor(two.kernel.ref('one!/node/silent'), (down) => downs.push(down));
    const asked = two.kernel.ask(
      two.kernel.ref<Echo>('one!/node/silent'),
      { type: 'echo', it: 1 },
      { accepts: anything },
    );
    await until('both stand', () => one.kernel.remote?.visitors === 1 && one.kernel.remote.asked === 1);
    // The old process says nothing any more, and nobody has noticed yet.
    const silent = { kind: 'worker', id: 'silent', logic: fromHandler<Echo>(() => () => {}) } as const;
    const next = await startKernelNode(undo, ca, 'one', { bootEpoch: 2, exposed: () => open, children: [silent] });
    await linkUp(next.node, two.node);
    await until('the new link is there', () => two.node.links.get(one.node.nodeId)?.hello.bootEpoch === 2);
    await until('the watch fires', () => downs.length === 1);
    expect(downs).toMatchObject([{ reason: 'node-lost' }]);
    expect(await asked).toMatchObject({ refusal: { code: 'UNREACHABLE' } });
    two.kernel.monitor(two.kernel.ref('one!/node/silent'), (down) => downs.push(down));
    await until('the next watch stands', () => next.kernel.remote?.visitors === 1);
    expect(next.kernel.remote?.asked).toBe(0);
    expect(downs).toHaveLength(1);
  });

  test('say that a node which knows no such frames cannot be reached, and send it none', async () => {
    const ca = makeCa();
    const one = await startKernelNode(undo, ca, 'one');
    const old = await startKernelNode(undo, ca, 'old', { features: [] });
    await linkUp(one.node, old.node);
    expect(one.kernel.ref('old!/node/x').tell({ type: 'x' })).toMatchObject({ refusal: { code: 'UNREACHABLE' } });
    expect(one.node.links.get(old.node.nodeId)?.isReady).toBe(true);
  });
});
