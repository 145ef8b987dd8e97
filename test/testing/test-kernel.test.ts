import { AssertionError } from 'node:assert';
import { describe, expect, test } from 'vitest';
import { setup } from 'xstate';
import {
  type Asked,
  type ChildSpec,
  createTestKernel,
  fromHandler,
  inEveryOrder,
  type Message,
  type Ref,
  TestProbe,
} from '../../src/testing/index.ts';

type Said = { readonly type: 'hello'; readonly to: string } | { readonly type: 'bye'; readonly at: number };

const worker = (id: string, logic: (ChildSpec & { kind: 'worker' })['logic']): ChildSpec => ({
  kind: 'worker',
  id,
  logic,
});
const failure = async (promise: Promise<unknown>): Promise<AssertionError> => {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(AssertionError);
  return error as AssertionError;
};

describe('a probe', () => {
  test('expects messages by kind, by fields, by a function or whatever they are, in the order in which they came', async () => {
    const kit = await createTestKernel();
    const probe = await kit.probe<Said>();
    for (let at = 1; at <= 3; at += 1) probe.ref.tell({ type: 'bye', at });
    probe.ref.tell({ type: 'hello', to: 'you' });
    const bye: { readonly at: number } = await probe.expectMessage('bye');
    expect(bye.at).toBe(1);
    expect(await probe.expectMessage({ at: 2 })).toEqual({ type: 'bye', at: 2 });
    await probe.expectMessage((message) => message.type === 'bye' && message.at === 3);
    expect(await probe.expectMessage()).toEqual({ type: 'hello', to: 'you' });
    await probe.expectNoMessage();
    await kit.stop();
  });

  test('fails with what it expected and what it has, and keeps the message', async () => {
    const kit = await createTestKernel();
    const probe = await kit.probe<Said>('desk');
    expect((await failure(probe.expectMessage('hello'))).message).toBe(
      "/test/probes/desk expected a message as 'hello'. It has: nothing.",
    );
    probe.ref.tell({ type: 'bye', at: 7 });
    const wrong = await failure(probe.expectMessage('hello'));
    expect(wrong.message).toContain("{ type: 'bye', at: 7 }");
    expect(wrong.actual).toEqual({ type: 'bye', at: 7 });
    await failure(probe.expectNoMessage());
    await failure(probe.expectMessage({ at: 8 }));
    await probe.expectMessage({ at: 7 });
    await kit.stop();
  });

  test('expects several: in order, in any order, any of them, so many; and fishes', async () => {
    const kit = await createTestKernel();
    const probe = await kit.probe<Said>();
    const tell = (...times: number[]) => times.forEach((at) => void probe.ref.tell({ type: 'bye', at }));
    tell(1, 2, 3);
    await probe.expectMessages([{ at: 1 }, { at: 2 }, { at: 3 }]);
    tell(1, 2);
    await failure(probe.expectMessages([{ at: 2 }, { at: 1 }]));
    await probe.receiveMessages(2);
    tell(1, 2, 3);
    // The first pattern could take every message, the second one only; nobody goes without.
    await probe.expectInAnyOrder(['bye', { at: 1 }, 'bye']);
    tell(1, 2);
    const two = (message: Said) => message.type === 'bye' && message.at === 2;
    expect((await failure(probe.expectInAnyOrder([two, two]))).message).toContain('as two');
    expect(probe.waiting).toHaveLength(2);
    await probe.expectAnyOf(['hello', { at: 1 }]);
    tell(3, 4);
    expect(await probe.fishForMessage({ at: 4 })).toEqual({ type: 'bye', at: 4 });
    await failure(probe.receiveMessages(1));
    await failure(probe.fishForMessage('hello'));
    await kit.stop();
  });

  test('ignores what it is told to, and answers by itself', async () => {
    const kit = await createTestKernel();
    const probe = await kit.probe<Asked<{ type: 'add' | 'noise'; a: number }, number>>();
    probe.autopilot((message) => void (message.type === 'add' && message.replyTo.tell(message.a + 1)));
    probe.ignore('noise');
    expect(await kit.settled(kit.kernel.ask(probe.ref, { type: 'add', a: 1 }))).toEqual({ ok: true, value: 2 });
    void kit.kernel.ask(probe.ref, { type: 'noise', a: 1 });
    await probe.expectMessage('add');
    await probe.expectNoMessage();
    await kit.stop();
  });

  test('asks and answers', async () => {
    const kit = await createTestKernel();
    const [asker, answerer] = [await kit.probe<{ type: 'sum'; sum: number }>(), await kit.probe()];
    expect(() => answerer.reply({ type: 'sum', sum: 0 })).toThrow('has expected no question');
    asker.ask(answerer.ref as Ref<Asked<{ type: 'add' }, never>>, { type: 'add' });
    await answerer.expectMessage('add');
    answerer.reply({ type: 'sum', sum: 5 });
    expect((await asker.expectMessage('sum')).sum).toBe(5);
    await kit.stop();
  });

  test('sees others end: watched before, or asked about after; unwatched no more', async () => {
    const kit = await createTestKernel();
    const mortal = fromHandler<Message>(() => () => {
      throw new Error('crash');
    });
    const ref = await kit.spawn({ kind: 'worker', id: 'mortal', logic: mortal, restart: 'temporary' });
    const probe = await kit.probe();
    await failure(probe.expectTerminated(ref));
    ref.tell({ type: 'go' });
    expect(await probe.expectTerminated(ref)).toMatchObject({ reason: 'crash', path: '/test/mortal' });
    expect(await probe.expectTerminated(ref)).toMatchObject({ reason: 'no-actor' });
    const other = await kit.probe();
    probe.watch(other.ref);
    probe.unwatch(other.ref);
    await kit.settled(other.stop());
    await probe.expectNoMessage();
    expect(kit.kernel.monitors).toBe(0);
    await kit.stop();
  });

  test('waits in virtual time no longer than it is told to, and no time passes otherwise', async () => {
    const kit = await createTestKernel();
    const probe = await kit.probe();
    kit.clock.setTimeout(() => probe.ref.tell({ type: 'late' }), 500);
    await probe.expectNoMessage();
    expect(kit.clock.monotonic()).toBe(0);
    await probe.expectNoMessage(499);
    await failure(probe.expectMessage('late'));
    await probe.expectMessage('late', { withinMs: 10 });
    expect(kit.clock.monotonic()).toBe(500);
    let attempts = 0;
    const third = () => {
      attempts += 1;
      if (kit.clock.monotonic() < 1_000) throw new Error('too early');
    };
    kit.clock.setTimeout(() => {}, 500);
    await expect(probe.awaitAssert(third, { withinMs: 400 })).rejects.toThrow('too early');
    await probe.awaitAssert(third, { withinMs: 400 });
    expect(attempts).toBeGreaterThan(1);
    await kit.stop();
  });

  test('waits in real time, in any kernel', async () => {
    const kit = await createTestKernel({ time: 'real' });
    await kit.spawn({ kind: 'supervisor', id: 'room', strategy: 'one-for-one', children: [] });
    const probe = await TestProbe.start(kit.kernel, { under: '/test/room', id: 'p' });
    setTimeout(() => probe.ref.tell({ type: 'late' }), 20);
    await probe.expectNoMessage(1);
    await probe.expectMessage('late');
    await failure(probe.expectMessage('more', { withinMs: 5 }));
    expect(() => kit.clock).toThrow('real time');
    await expect(kit.step()).rejects.toThrow('real time');
    await expect(TestProbe.start(kit.kernel, { under: '/nobody', id: 'p' })).rejects.toMatchObject({ code: 'STOPPED' });
    await kit.stop();
  });
});

describe('turns by hand', () => {
  const counter = (seen: string[], name: string) =>
    fromHandler<{ type: string; n: number }>(() => (message) => seen.push(`${name}${message.n}`));

  test('one message a step, for whoever is next or is named; promises run after it', async () => {
    const kit = await createTestKernel();
    const seen: string[] = [];
    const a = await kit.spawn<{ type: 'n'; n: number }>(worker('a', counter(seen, 'a')));
    const b = await kit.spawn<{ type: 'n'; n: number }>(worker('b', counter(seen, 'b')));
    for (const n of [1, 2]) for (const ref of [a, b]) ref.tell({ type: 'n', n });
    expect(kit.turns.waiting).toEqual(['/test/a', '/test/b']);
    expect(await kit.step('/test/b')).toBe(true);
    expect(seen).toEqual(['b1']);
    await kit.step();
    await kit.step();
    expect(seen).toEqual(['b1', 'a1', 'b2']);
    await kit.runUntilQuiet();
    expect(seen).toEqual(['b1', 'a1', 'b2', 'a2']);
    expect(await kit.step()).toBe(false);
    expect(await kit.step('/test/a')).toBe(false);
    await kit.stop();
  });

  test('an actor cannot give turns; one that is busy for ever is noticed', async () => {
    const kit = await createTestKernel();
    let thrown: unknown;
    const logic = fromHandler(({ ref }) => (message) => {
      try {
        if (thrown === undefined) kit.turns.step();
      } catch (error) {
        thrown = error;
      }
      ref.tell(message);
    });
    const ref = await kit.spawn(worker('a', logic));
    ref.tell({ type: 'go' });
    await expect(kit.runUntilQuiet()).rejects.toThrow('Still busy');
    expect(thrown).toMatchObject({ message: expect.stringContaining('cannot give turns') });
    await kit.stop();
  });

  test('time fires timers one by one, and what each causes happens before the next', async () => {
    const kit = await createTestKernel();
    const seen: string[] = [];
    const logic = setup({}).createMachine({
      initial: 'a',
      states: {
        a: { after: { 10: { target: 'b', actions: () => void kit.ref('/test/other').tell({ type: 'tick' }) } } },
        b: { after: { 10: { target: 'a', actions: () => seen.push(`chart ${kit.clock.monotonic()}`) } } },
      },
    });
    await kit.spawn(
      worker(
        'other',
        fromHandler(() => () => seen.push(`other ${kit.clock.monotonic()}`)),
      ),
    );
    await kit.spawn(worker('chart', logic));
    await kit.advance(35);
    expect(seen).toEqual(['other 10', 'chart 20', 'other 30']);
    expect(kit.clock.monotonic()).toBe(35);
    expect(kit.events.filter(({ type }) => type === 'actor.message')).toHaveLength(2);
    await kit.stop();
  });

  test('what never settles is TIMED_OUT after its virtual time', async () => {
    const kit = await createTestKernel();
    await expect(kit.settled(new Promise(() => {}), 100)).rejects.toMatchObject({ code: 'TIMED_OUT' });
    await kit.stop();
  });
});

describe('every order', () => {
  /** Reads, waits, and writes what it has read plus one: two at once lose one of the two. */
  const careless = (store: { value: number }) =>
    fromHandler(() => async () => {
      const { value } = store;
      await Promise.resolve();
      store.value = value + 1;
    });

  const race = async (kit: Awaited<ReturnType<typeof createTestKernel>>): Promise<number> => {
    const store = { value: 0 };
    const ref = await kit.spawn(worker('a', careless(store)));
    ref.tell({ type: 'add' });
    ref.tell({ type: 'add' });
    await kit.runUntilQuiet();
    return store.value;
  };

  test('finds the order in which a race is lost, and the same seed finds it again', async () => {
    const found = await inEveryOrder(async (kit) => expect(await race(kit)).toBe(2)).then(
      () => undefined,
      (error: Error) => error,
    );
    expect(found?.message).toMatch(/^With seed \d+: expected 1 to be 2/);
    const seed = Number(/\d+/.exec(found!.message)![0]);
    for (let again = 0; again < 3; again += 1) {
      const kit = await createTestKernel({ seed });
      expect(await race(kit)).toBe(1);
      await kit.stop();
    }
  });

  test('seeds give different orders of actors, each keeps the order of one sender', async () => {
    const orders = new Set<string>();
    await inEveryOrder(
      async (kit) => {
        const seen: string[] = [];
        for (const id of ['a', 'b', 'c']) {
          const logic = fromHandler<{ type: 'n'; n: number }>(
            () =>
              ({ n }) =>
                seen.push(`${id}${n}`),
          );
          await kit.spawn(worker(id, logic));
        }
        for (const n of [1, 2])
          for (const id of ['a', 'b', 'c']) kit.ref(`/test/${id}`).tell({ type: 'n', n } as never);
        await kit.runUntilQuiet();
        for (const id of ['a', 'b', 'c']) expect(seen.indexOf(`${id}1`)).toBeLessThan(seen.indexOf(`${id}2`));
        orders.add(seen.join());
      },
      { count: 50 },
    );
    expect(orders.size).toBeGreaterThan(25);
  });
});
