import { describe, expect, test } from 'vitest';
import {
  type AnyActorLogic,
  type AnyActorRef,
  createActor,
  fromCallback,
  fromPromise,
  raise,
  sendTo,
  setup,
  spawnChild,
} from 'xstate';
import type { Host } from '../../../src/actors/kernel/host.ts';
import { HostedActor } from '../../../src/actors/kernel/xstate-bridge.ts';
import { ManualClock, settle } from '../../../src/testing/manual-clock.ts';

/** The bridge’s contract with XState: what fails here after an upgrade must be mended in xstate-bridge.ts. */

const idle = fromCallback(() => {});
const boom = (): never => {
  throw new Error('boom');
};

describe('what XState does inside', () => {
  test('sendTo calls `_send` of its target and asks for nothing else', () => {
    const got: unknown[] = [];
    const target = { _send: (event: unknown) => got.push(event) } as unknown as AnyActorRef;
    const machine = setup({}).createMachine({
      on: {
        go: {
          actions: [sendTo(target, { type: 'now' }), sendTo(target, { type: 'later' }, { delay: 10 })],
        },
      },
    });
    const clock = new ManualClock();
    const actor = createActor(machine, { clock }).start();
    actor.send({ type: 'go' });
    clock.advance(10);
    expect(got).toEqual([{ type: 'now' }, { type: 'later' }]);
  });

  test('every actor of a system, however deep, registers when it starts and unregisters when it ends', () => {
    const log: string[] = [];
    const inner = setup({ actors: { idle } }).createMachine({ id: 'inner', invoke: { src: 'idle', id: 'idle' } });
    const actor = createActor(
      setup({ actors: { inner } }).createMachine({ id: 'outer', invoke: { src: 'inner', id: 'inner' } }),
      { id: 'outer' },
    );
    const system = actor.system as unknown as Record<string, (...args: never[]) => unknown>;
    for (const method of ['_register', '_unregister']) {
      const original = system[method]!;
      system[method] = (...args: never[]) => {
        log.push(`${method} ${(args.at(-1)! as AnyActorRef).id}`);
        return original(...args);
      };
    }
    actor.start();
    expect(log).toEqual(['_register outer', '_register inner', '_register idle']);
    actor.stop();
    // More than once for the same actor: whoever follows must not mind.
    expect([...new Set(log.slice(3))].sort()).toEqual(['_unregister idle', '_unregister inner', '_unregister outer']);
  });

  test('an actor without parent has a system of its own, and a child shares its parent’s', () => {
    const [one, two] = [createActor(idle), createActor(idle)];
    expect(one.system).not.toBe(two.system);
    expect(createActor(idle, { parent: one } as never).system).toBe(one.system);
  });

  test('`_stop` stops a child, which the public stop refuses', () => {
    const parent = createActor(idle).start();
    const child = createActor(idle, { parent } as never).start();
    expect(() => child.stop()).toThrow();
    (child as unknown as { _stop(): void })._stop();
    expect(child.getSnapshot().status).toBe('stopped');
  });

  test('a crash leaves invoked actors running: the reason why the bridge stops them', () => {
    let alive = 0;
    const ticking = fromCallback(() => {
      alive += 1;
      return () => {
        alive -= 1;
      };
    });
    const actor = createActor(
      setup({ actors: { ticking } }).createMachine({ invoke: { src: 'ticking' }, on: { crash: { actions: boom } } }),
    );
    actor.subscribe({ error: () => {} });
    actor.start();
    actor.send({ type: 'crash' });
    expect(actor.getSnapshot().status).toBe('error');
    expect(alive).toBe(1);
  });

  test('every event from actor to actor passes `_relay`, that of a timer and of a promise too', async () => {
    const asked = fromPromise(async () => 42);
    const clock = new ManualClock();
    const actor = createActor(
      setup({ actors: { asked } }).createMachine({ id: 'm', invoke: { src: 'asked', id: 'asked' }, after: { 10: {} } }),
      { clock },
    );
    const relayed: string[] = [];
    const system = actor.system as unknown as { _relay(source: unknown, target: unknown, event: object): void };
    const relay = system._relay;
    system._relay = (source, target, event) => {
      relayed.push((event as { type: string }).type);
      relay(source, target, event);
    };
    actor.start();
    actor.send({ type: 'hello' });
    await settle(1);
    clock.advance(10);
    expect(relayed).toEqual(['hello', 'xstate.promise.resolve', 'xstate.done.actor.asked', 'xstate.after.10.m']);
    actor.stop();
  });

  test('every delayed event passes `scheduler.schedule`, which sets one timer there and then', () => {
    const log: unknown[] = [];
    const clock = new ManualClock();
    const actor = createActor(
      setup({}).createMachine({
        id: 'm',
        entry: [
          raise({ type: 'r' }, { delay: 20 }),
          sendTo(({ self }) => self, { type: 's' }, { delay: 30, id: 'mine' }),
        ],
        after: { 10: {} },
      }),
      { clock },
    );
    const { scheduler } = actor.system as unknown as {
      scheduler: { schedule(source: unknown, target: unknown, event: object, delay: number, id?: string): void };
    };
    const schedule = scheduler.schedule;
    scheduler.schedule = (source, target, event, delay, id) => {
      const before = clock.pending;
      schedule(source, target, event, delay, id);
      log.push([source === actor, target === actor, event, delay, id, clock.pending - before]);
    };
    actor.start();
    expect(log).toEqual([
      [true, true, { type: 'r' }, 20, undefined, 1],
      [true, true, { type: 's' }, 30, 'mine', 1],
      [true, true, { type: 'xstate.after.10.m' }, 10, 'xstate.after.10.m', 1],
    ]);
    actor.stop();
  });

  test('what is in `_scheduledEvents` at the start is scheduled before the actors do anything', () => {
    const clock = new ManualClock();
    const log: string[] = [];
    const eager = fromCallback(({ sendBack }) => sendBack({ type: 'leave' }));
    const machine = setup({ actors: { eager } }).createMachine({
      id: 'm',
      initial: 'a',
      invoke: { src: 'eager', id: 'eager' },
      states: { a: { after: { 10: 'late' }, on: { leave: 'b' } }, b: { on: { back: 'a' } }, late: {} },
      on: { '*': { actions: ({ event }) => log.push(event.type) } },
    });
    const snapshot = {
      status: 'active',
      value: 'a',
      context: {},
      historyValue: {},
      children: { eager: { src: 'eager', snapshot: { status: 'active' } } },
    };
    const actor = createActor(machine, { clock, snapshot: snapshot as never });
    const { _snapshot } = actor.system as unknown as { _snapshot: { _scheduledEvents: Record<string, unknown> } };
    const event = { type: 'xstate.after.10.m.a' };
    _snapshot._scheduledEvents.any = { source: actor, target: actor, event, delay: 10, id: event.type };
    actor.start();
    // The state was left at once, which cancels its delay.
    expect(actor.getSnapshot().value).toBe('b');
    expect(clock.pending).toBe(0);
    actor.stop();
  });

  test('a persisted snapshot has no delayed events: the reason why the bridge keeps them', () => {
    const clock = new ManualClock();
    const machine = setup({}).createMachine({ initial: 'a', states: { a: { after: { 10: 'b' } }, b: {} } });
    const snapshot = createActor(machine, { clock }).start().getPersistedSnapshot();
    const restored = createActor(machine, { clock: new ManualClock(), snapshot }).start();
    expect(JSON.stringify(snapshot)).not.toContain('after');
    expect(restored.getSnapshot().value).toBe('a');
    restored.stop();
  });

  test('inspection tells of an event on its way, each transition that it takes, and the end of the turn', () => {
    const machine = setup({}).createMachine({
      id: 'm',
      initial: 'a',
      states: { a: { on: { go: 'b' } }, b: { always: 'c' }, c: {} },
    });
    const actor = createActor(machine);
    const log: unknown[] = [];
    actor.system.inspect((event) => {
      const { value } = actor.getSnapshot();
      if (event.type === '@xstate.event') log.push([event.type, event.event.type, value]);
      if (event.type === '@xstate.microstep')
        log.push([event.type, event._transitions.length, (event.snapshot as { value?: unknown }).value, value]);
      if (event.type === '@xstate.snapshot') log.push([event.type, event.event.type, value]);
    });
    actor.start();
    actor.send({ type: 'go' });
    actor.send({ type: 'go' });
    expect(log).toEqual([
      ['@xstate.event', 'xstate.init', 'a'],
      ['@xstate.snapshot', 'xstate.init', 'a'],
      ['@xstate.event', 'go', 'a'],
      ['@xstate.microstep', 1, 'b', 'a'],
      ['@xstate.microstep', 1, 'c', 'a'],
      ['@xstate.snapshot', 'go', 'c'],
      ['@xstate.event', 'go', 'c'],
      ['@xstate.microstep', 0, 'c', 'c'],
      ['@xstate.snapshot', 'go', 'c'],
    ]);
    actor.stop();
  });

  test('`complete` comes at a final state and at a stop; the status tells them apart', () => {
    const machine = setup({}).createMachine({
      initial: 'a',
      states: { a: { on: { end: 'z' } }, z: { type: 'final' } },
    });
    const statuses = (['end', 'stop'] as const).map((how) => {
      const actor = createActor(machine);
      let status: string | undefined;
      actor.subscribe({
        complete: () => {
          status = actor.getSnapshot().status;
        },
      });
      actor.start();
      if (how === 'end') actor.send({ type: 'end' });
      else actor.stop();
      return status;
    });
    expect(statuses).toEqual(['done', 'stopped']);
  });
});

describe('a hosted actor', () => {
  const host = (logic: AnyActorLogic, watched = false) => {
    const log: unknown[] = [];
    const listener: Host = {
      failed: (error) => log.push(error instanceof Error ? error.message : error),
      finished: (how) => log.push(how),
      changed: (snapshot) => log.push(snapshot.value),
    };
    const clock = new ManualClock();
    return { actor: new HostedActor(logic, { id: 'x#1', input: undefined, clock, watched }, listener), log, clock };
  };

  test('reports its first snapshot, each change, and a final state', () => {
    const { actor, log } = host(
      setup({}).createMachine({
        initial: 'a',
        states: { a: { on: { next: 'b' } }, b: { on: { next: 'z' } }, z: { type: 'final' } },
      }),
    );
    expect(log).toEqual([]);
    actor.start();
    actor.send({ type: 'next' });
    expect(actor.stateValue()).toBe('b');
    actor.send({ type: 'next' });
    expect(log).toEqual(['a', 'b', 'z', 'done']);
  });

  test('reports a crash once, with the error itself, falsy ones too', () => {
    const first = host(setup({}).createMachine({ on: { crash: { actions: boom } } }));
    first.actor.start();
    first.actor.send({ type: 'crash' });
    first.actor.stop();
    expect(first.log).toEqual([{}, 'boom']);
    const nothing = (): never => {
      throw undefined;
    };
    const second = host(setup({}).createMachine({ on: { crash: { actions: nothing } } }));
    second.actor.start();
    second.actor.send({ type: 'crash' });
    expect(second.log).toEqual([{}, undefined]);
  });

  test('a stop reaches grandchildren, runs no exit action and clears delays', () => {
    const log: string[] = [];
    const leaf = fromCallback(() => () => {
      log.push('leaf cleaned up');
    });
    const middle = setup({ actors: { leaf } }).createMachine({ invoke: { src: 'leaf' }, after: { 1000: {} } });
    const { actor, clock } = host(
      setup({ actors: { middle } }).createMachine({
        entry: spawnChild('middle', { id: 'm' }),
        exit: () => log.push('exit'),
        after: { 1000: {} },
      }),
    );
    actor.start();
    expect(clock.pending).toBe(2);
    actor.stop();
    expect(log).toEqual(['leaf cleaned up']);
    expect(clock.pending).toBe(0);
  });

  test('at its end nothing stays armed, also of events that share an id', () => {
    const machine = setup({}).createMachine({
      entry: [
        raise({ type: 'x' }, { delay: 10, id: 'one' }),
        raise({ type: 'y' }, { delay: 1_000_000, id: 'one' }),
        raise({ type: 'z' }, { delay: 2_000_000, id: 'one' }),
      ],
      on: { boom: { actions: boom } },
    });
    for (const end of ['stop', 'crash']) {
      const { actor, clock } = host(machine);
      actor.start();
      clock.advance(10);
      expect(clock.pending).toBe(2);
      if (end === 'stop') actor.stop();
      else actor.send({ type: 'boom' });
      expect([end, clock.pending]).toEqual([end, 0]);
    }
  });

  test('one whose clean-up throws still has its other descendants stopped', () => {
    let cleaned = 0;
    const good = fromCallback(() => () => {
      cleaned += 1;
    });
    const bad = fromCallback(() => boom);
    const { actor } = host(
      setup({ actors: { good, bad } }).createMachine({ invoke: [{ src: 'good' }, { src: 'bad' }, { src: 'good' }] }),
    );
    actor.start();
    actor.stop();
    expect(cleaned).toBe(2);
  });

  test('has no parent that a chart could send forged events to', () => {
    const { actor, log } = host(
      setup({}).createMachine({ on: { forge: { actions: sendTo('#_parent', { type: 'xstate.error.actor.b' }) } } }),
    );
    actor.start();
    actor.send({ type: 'forge' });
    expect(log).toEqual([{}, expect.stringContaining('#_parent')]);
  });
});
