import { expect, test } from 'vitest';
import type { Asked } from '../../../src/actors/kernel/asks.ts';
import { fromHandler } from '../../../src/actors/kernel/handler.ts';
import type { Down } from '../../../src/actors/kernel/monitors.ts';
import type { Arrival, Packet, PacketReceiver, Transport } from '../../../src/actors/kernel/transport.ts';
import { ok, type Result, refuse } from '../../../src/errors.ts';
import { unverified } from '../../../src/unverified.ts';
import { lab, one, settle, until, worker } from './lab.ts';
import { probe } from './probe.ts';

/** A packet as a transport hands it in. */
const arrival = (packet: Packet): Arrival =>
  'content' in packet
    ? { ...packet, content: { open: () => ok({ ...unverified(packet.content), weightBytes: 1 }) } }
    : packet;

/** A wire between kernels of one process. Packets go as JSON, in order, never on the sender’s stack. */
class FakeWire {
  readonly #ends = new Map<string, PacketReceiver>();
  readonly #cut = new Set<string>();
  readonly sent: string[] = [];

  transport(nodeId: string): Transport {
    return {
      nodeId,
      attach: (receiver) => void this.#ends.set(nodeId, receiver),
      send: (node, packet) => {
        if (!this.#ends.has(node) || this.#cut.has(node) || this.#cut.has(nodeId))
          return refuse('UNREACHABLE', `${node} cannot be reached.`);
        this.sent.push(`${nodeId} → ${node}: ${packet.kind}`);
        const text = JSON.stringify(packet);
        setImmediate(() => {
          if (!this.#cut.has(node) && !this.#cut.has(nodeId)) this.inject(nodeId, node, JSON.parse(text) as Packet);
        });
        return ok(undefined);
      },
    };
  }

  inject(from: string, to: string, packet: Packet): Result<void> | undefined {
    return this.#ends.get(to)?.packet(from, arrival(packet));
  }

  /** Two nodes hold each other for lost, and can reach each other again. */
  lose(one: string, other: string): void {
    this.#ends.get(one)?.lost(other);
    this.#ends.get(other)?.lost(one);
  }

  cut(node: string): void {
    this.#cut.add(node);
    for (const [other, end] of this.#ends) {
      if (other === node) for (const each of this.#ends.keys()) if (each !== node) end.lost(each);
      if (other !== node) end.lost(node);
    }
  }
}

type Double = Asked<{ readonly type: 'double'; readonly n: number }, { readonly n: number }>;
type Order = { readonly type: 'crash' } | { readonly type: 'finish' };

const mortal = fromHandler<Order>((self) => (message) => {
  if (message.type === 'crash') throw new Error('secret');
  self.finish();
});

const doubler = fromHandler<Double>(
  () =>
    ({ n, replyTo }) =>
      replyTo.tell({ n: 2 * n }),
);

const anything = () => true;
const open = { tells: anything, asks: anything, monitors: true, links: true };
const nothing = { questions: 0, watches: 0, asked: 0, visitors: 0 };
const checked = { accepts: anything };

async function pair() {
  const wire = new FakeWire();
  const node = async (id: string) => {
    const world = lab({
      transport: wire.transport(id),
      exposed: (path) => (path.startsWith('/node/private') ? undefined : open),
    });
    const children = [
      worker('mortal', mortal, { restart: 'temporary' }),
      worker('doubler', doubler),
      worker('private', doubler),
    ];
    await world.kernel.start(one('node', children));
    return world.kernel;
  };
  const [one1, two] = [await node('node-1'), await node('node-2')];
  const stop = async (): Promise<void> => {
    await one1.stop();
    await two.stop();
  };
  const gone = (kernel: typeof two, path: string) => until(() => kernel.tree().every((view) => view.path !== path));
  return { wire, one: one1, two, stop, gone };
}

test('a message finds a place on another node by its address; this node’s own address is local', async () => {
  const { one: here, two, stop } = await pair();
  const far = await probe(two, '/node', 'far');
  const ref = here.ref('node-2!/node/far');
  expect(ref.path).toBe('node-2!/node/far');
  expect(JSON.stringify({ ref })).toBe('{"ref":"node-2!/node/far"}');
  for (const type of ['a', 'b', 'c']) expect(ref.tell({ type }).ok).toBe(true);
  for (const type of ['a', 'b', 'c']) expect(await far.expectMessage()).toEqual({ type });
  expect(two.ref('node-2!/node/far').path).toBe('/node/far');
  expect(ref.tell({ type: 'x' }, 'control')).toMatchObject({ refusal: { code: 'NOT_SUPPORTED' } });
  expect(ref.tell({ type: 'kernel.shutdown' })).toMatchObject({ refusal: { code: 'MALFORMED' } });
  expect(here.ref('node-9!/node/far').tell({ type: 'x' })).toMatchObject({
    refusal: { code: 'UNREACHABLE', message: { type: 'x' } },
  });
  await stop();
});

test('a question crosses, and so do its answer and its refusal', async () => {
  const { one: here, stop } = await pair();
  expect(await here.ask(here.ref<Double>('node-2!/node/doubler'), { type: 'double', n: 21 }, checked)).toEqual({
    ok: true,
    value: { n: 42 },
  });
  expect(await here.ask(here.ref<Double>('node-2!/node/nobody'), { type: 'double', n: 1 }, checked)).toMatchObject({
    refusal: { code: 'STOPPED' },
  });
  expect(await here.ask(here.ref<Double>('node-9!/node/doubler'), { type: 'double', n: 1 }, checked)).toMatchObject({
    refusal: { code: 'UNREACHABLE' },
  });
  await stop();
});

test('nothing is open to another node unless it is said to be', async () => {
  const { wire, one: here, two, stop } = await pair();
  const watcher = await probe<Down>(here, '/node', 'watcher');
  here.ref('node-2!/node/private').tell({ type: 'x' });
  expect(await here.ask(here.ref<Double>('node-2!/node/private'), { type: 'double', n: 1 }, checked)).toMatchObject({
    refusal: { code: 'UNAUTHORIZED' },
  });
  here.monitor(here.ref('node-2!/node/private'), watcher.ref);
  expect(await watcher.expectMessage()).toMatchObject({ reason: 'refused' });
  expect(two.deadLetters.byReason().get('not exposed')).toBe(3);
  // A peer that does not keep to the rules of a ref.
  wire.inject('node-1', 'node-2', { kind: 'tell', path: '/node/mortal', content: { type: 'kernel.shutdown' } });
  wire.inject('node-1', 'node-2', { kind: 'tell', path: '/node', content: { type: 'kernel.child-ended' } });
  await settle();
  expect(two.tree()).toHaveLength(4);
  await stop();
});

test('only the node that was asked can answer, and only once', async () => {
  const { wire, one: here, two, stop } = await pair();
  const far = await probe<Double>(two, '/node', 'far');
  const asked = here.ask(here.ref<Double>('node-2!/node/far'), { type: 'double', n: 1 }, checked);
  const question = await far.expectMessage();
  for (const id of [0, 1, 2, 3]) wire.inject('node-3', 'node-1', { kind: 'answer', id, content: 'forged' });
  expect(question.replyTo.tell({ n: 7 }).ok).toBe(true);
  expect(question.replyTo.tell({ n: 8 })).toMatchObject({ refusal: { code: 'STOPPED' } });
  expect(await asked).toEqual({ ok: true, value: { n: 7 } });
  await stop();
});

test('a monitor of a life on another node fires once, and tells no secrets', async () => {
  const { one: here, two, stop, gone } = await pair();
  const watcher = await probe<Down>(here, '/node', 'watcher');
  here.monitor(here.ref('node-2!/node/mortal'), watcher.ref);
  await watcher.expectNoMessage();
  two.ref<Order>('/node/mortal').tell({ type: 'crash' });
  const down = await watcher.expectMessage();
  expect(down).toMatchObject({ path: 'node-2!/node/mortal', reason: 'crash' });
  expect(down.error).toBeUndefined();
  await gone(two, '/node/mortal');
  here.monitor(here.ref('node-2!/node/mortal'), watcher.ref);
  expect(await watcher.expectMessage()).toMatchObject({ reason: 'no-actor' });
  await watcher.expectNoMessage();
  await stop();
});

test('when a node is lost, who watched or asked it hears of it once, and nothing is left behind', async () => {
  const { wire, one: here, two, stop } = await pair();
  const watcher = await probe<Down>(here, '/node', 'watcher');
  const far = await probe<Double>(two, '/node', 'far');
  here.monitor(here.ref('node-2!/node/mortal'), watcher.ref);
  two.monitor(two.ref('node-1!/node/mortal'), far.ref);
  const cancelled = here.monitor(here.ref('node-2!/node/doubler'), watcher.ref);
  if (cancelled.ok) cancelled.value.cancel();
  const asked = here.ask(here.ref<Double>('node-2!/node/far'), { type: 'double', n: 1 }, checked);
  await settle();
  expect(here.remote).toEqual({ questions: 1, watches: 1, asked: 0, visitors: 1 });
  wire.cut('node-2');
  expect(await watcher.expectMessage()).toMatchObject({ path: 'node-2!/node/mortal', reason: 'node-lost' });
  expect(await asked).toMatchObject({ refusal: { code: 'UNREACHABLE' } });
  await watcher.expectNoMessage();
  for (const kernel of [here, two]) expect(kernel.remote).toEqual(nothing);
  here.monitor(here.ref('node-2!/node/mortal'), watcher.ref);
  expect(await watcher.expectMessage()).toMatchObject({ reason: 'node-lost' });
  expect(here.monitors + two.monitors).toBe(0);
  await stop();
});

test('a question that timed out leaves nothing behind', async () => {
  const { one: here, two, stop } = await pair();
  await probe<Double>(two, '/node', 'far');
  const stopped = new AbortController();
  const asked = here.ask(
    here.ref<Double>('node-2!/node/far'),
    { type: 'double', n: 1 },
    { signal: stopped.signal, ...checked },
  );
  expect(here.remote?.questions).toBe(1);
  stopped.abort();
  expect((await asked).ok).toBe(false);
  expect(here.remote?.questions).toBe(0);
  await stop();
});

test.each(['the far one crashes', 'the near one crashes', 'the node is lost'])(
  'lives that are linked across nodes end together: %s',
  async (what) => {
    const { wire, one: here, two, stop, gone } = await pair();
    here.link(here.ref('/node/mortal'), here.ref('node-2!/node/mortal'));
    await settle();
    if (what === 'the far one crashes') two.ref<Order>('/node/mortal').tell({ type: 'crash' });
    else if (what === 'the near one crashes') here.ref<Order>('/node/mortal').tell({ type: 'crash' });
    else wire.cut('node-2');
    await gone(here, '/node/mortal');
    await gone(two, '/node/mortal');
    await stop();
  },
);

test('lives that are unlinked, or end normally, leave the other alone', async () => {
  const { one: here, two, stop, gone } = await pair();
  here.link(here.ref('/node/mortal'), here.ref('node-2!/node/mortal'));
  here.link(here.ref('/node/mortal'), here.ref('node-2!/node/doubler'));
  await settle();
  here.unlink(here.ref('/node/mortal'), here.ref('node-2!/node/doubler'));
  here.ref<Order>('/node/mortal').tell({ type: 'finish' });
  await gone(here, '/node/mortal');
  await settle();
  expect(two.tree()).toHaveLength(4);
  expect(two.remote?.visitors).toBe(0);
  await stop();
});

test('a question that is passed on goes from node to node, and its answer all the way back', async () => {
  const { wire, one: here, two, stop } = await pair();
  const three = lab({ transport: wire.transport('node-3'), exposed: () => open });
  await three.kernel.start(one('node', [worker('doubler', doubler)]));
  const relay = fromHandler<Double>(() => (message) => two.ref<Double>('node-3!/node/doubler').tell(message));
  await two.startChild('/node', worker('relay', relay));
  const ref = here.ref<Double>('node-2!/node/relay');
  expect(await here.ask(ref, { type: 'double', n: 4 }, checked)).toEqual({ ok: true, value: { n: 8 } });
  // Who asks a neighbour need not expect that the question leaves the node; then there is no check for the answer.
  const near = two.ref<Double>('/node/relay');
  expect(await two.ask(near, { type: 'double', n: 4 })).toMatchObject({ refusal: { code: 'NOT_SUPPORTED' } });
  expect(await two.ask(near, { type: 'double', n: 4 }, checked)).toEqual({ ok: true, value: { n: 8 } });
  for (const kernel of [here, two, three.kernel]) expect(kernel.remote).toEqual(nothing);
  await three.kernel.stop();
  await stop();
});

test('a question that is passed on is forgotten by all when its asker is gone', async () => {
  const { wire, one: here, two, stop } = await pair();
  const three = lab({ transport: wire.transport('node-3'), exposed: () => open });
  await three.kernel.start(
    one('node', [
      worker(
        'silent',
        fromHandler<Double>(() => () => {}),
      ),
    ]),
  );
  const relay = fromHandler<Double>(() => (message) => two.ref<Double>('node-3!/node/silent').tell(message));
  await two.startChild('/node', worker('relay', relay));
  const gone = new AbortController();
  const options = { ...checked, signal: gone.signal };
  const asked = here.ask(here.ref<Double>('node-2!/node/relay'), { type: 'double', n: 4 }, options);
  await until(() => three.kernel.remote?.asked === 1);
  gone.abort();
  expect(await asked).toMatchObject({ refusal: { code: 'CANCELLED' } });
  await until(() => three.kernel.remote?.asked === 0);
  for (const kernel of [here, two]) expect(kernel.remote).toEqual(nothing);
  await three.kernel.stop();
  await stop();
});

test('an answer is judged by who asked, wherever it comes from', async () => {
  const { one: here, two, stop } = await pair();
  const question = { type: 'double', n: 1 } as const;
  const accepts = (answer: unknown): boolean => (answer as { n: number }).n > 100;
  expect(await two.ask(two.ref<Double>('/node/doubler'), question, { accepts })).toMatchObject({
    refusal: { code: 'MALFORMED' },
  });
  const far = here.ref<Double>('node-2!/node/doubler');
  expect(await here.ask(far, question, { accepts })).toMatchObject({ refusal: { code: 'MALFORMED' } });
  expect(await here.ask(far, { type: 'double', n: 51 }, { accepts })).toEqual({ ok: true, value: { n: 102 } });
  await stop();
});

test('a node that was lost and is asked again does not take an answer of before', async () => {
  const { wire, one: here, two, stop } = await pair();
  const far = await probe<Double>(two, '/node', 'far');
  const ask = () => here.ask(here.ref<Double>('node-2!/node/far'), { type: 'double', n: 1 }, checked);
  const first = ask();
  const old = await far.expectMessage();
  wire.lose('node-1', 'node-2');
  expect(await first).toMatchObject({ refusal: { code: 'UNREACHABLE' } });
  const second = ask();
  const next = await far.expectMessage();
  expect(old.replyTo.tell({ n: 1 })).toMatchObject({ refusal: { code: 'STOPPED' } });
  expect(two.deadLetters.byReason().get('asker gone')).toBe(1);
  next.replyTo.tell({ n: 2 });
  expect(await second).toEqual({ ok: true, value: { n: 2 } });
  await stop();
});
