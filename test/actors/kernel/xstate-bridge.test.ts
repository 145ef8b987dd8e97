import { describe, expect, test } from 'vitest';
import { type AnyActorLogic, type AnyActorRef, createActor, fromCallback, sendTo, setup, spawnChild } from 'xstate';
import type { Host } from '../../../src/actors/kernel/host.ts';
import { HostedActor } from '../../../src/actors/kernel/xstate-bridge.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';

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
