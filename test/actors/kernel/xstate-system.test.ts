import { expect, test, vi } from 'vitest';
import {
  type AnyActorLogic,
  type AnyActorRef,
  cancel,
  createActor,
  fromCallback,
  fromPromise,
  type InspectionEvent,
  raise,
  sendTo,
  setup,
  spawnChild,
  stopChild,
} from 'xstate';
import { ChartSystem } from '../../../src/actors/kernel/xstate-system.ts';
import { ManualClock, settle } from '../../../src/testing/manual-clock.ts';

/** The contract of our actor system with XState’s: what fails here after an upgrade must be mended in xstate-system.ts. */

type Made = { readonly actor: AnyActorRef; readonly clock: ManualClock };

const makers: Readonly<Record<string, (logic: AnyActorLogic) => Made>> = {
  XState: (logic) => {
    const clock = new ManualClock();
    return { actor: createActor(logic, { id: 'top', clock, logger: () => {} }), clock };
  },
  ours: (logic) => {
    const clock = new ManualClock();
    const system = new ChartSystem(clock, false);
    return { actor: createActor(logic, { id: 'top', parent: { system } } as never), clock };
  },
};

/** What both do with a logic, side by side. */
async function both(logic: AnyActorLogic, play: (made: Made, log: unknown[]) => unknown): Promise<void> {
  const logs: unknown[][] = [];
  for (const make of Object.values(makers)) {
    const log: unknown[] = [];
    const made = make(logic);
    made.actor.subscribe({ error: (error) => void log.push(['error', (error as Error).message]) });
    made.actor.system.inspect((event) => void log.push(shown(event)));
    await play(made, log);
    logs.push(log);
  }
  expect(logs[1]).toEqual(logs[0]);
  expect(logs[0]?.length).toBeGreaterThan(0);
}

const idOf = (actor: object | undefined): unknown => (actor as AnyActorRef | undefined)?.id;

function shown(event: InspectionEvent): unknown {
  const rest = 'event' in event ? [event.event.type] : [];
  const source = 'sourceRef' in event ? [idOf(event.sourceRef)] : [];
  const { system } = event.actorRef as AnyActorRef;
  return [event.type, idOf(event.actorRef), ...rest, ...source, Object.keys(system.getAll()).sort()];
}

const idle = fromCallback(() => {});
const answering = fromPromise(async () => 42);
const ticking = setup({}).createMachine({ id: 'ticking', initial: 'a', states: { a: { after: { 15: 'b' } }, b: {} } });

const busy = setup({ actors: { idle, answering, ticking } }).createMachine({
  id: 'm',
  initial: 'a',
  invoke: [
    { src: 'answering', id: 'answering', systemId: 'known' },
    { src: 'ticking', id: 'ticking' },
  ],
  states: {
    a: {
      entry: [raise({ type: 'r' }, { delay: 20 }), raise({ type: 'never' }, { delay: 25, id: 'mine' })],
      after: { 10: 'b' },
    },
    b: {
      entry: [cancel('mine'), spawnChild('idle', { id: 'late', systemId: 'late' })],
      on: { go: { target: 'a', actions: stopChild('late') } },
    },
  },
});

const wrong = setup({ actors: { idle } }).createMachine({
  on: {
    clash: {
      actions: [spawnChild('idle', { id: 'x', systemId: 'one' }), spawnChild('idle', { id: 'y', systemId: 'one' })],
    },
    forge: { actions: sendTo('#_parent', { type: 'x' }) },
  },
});

test('timers, cancelled or not, named actors, promises and children go as in XState’s own system', () =>
  both(busy, async ({ actor, clock }) => {
    actor.start();
    await settle(1);
    for (const ms of [5, 5, 5, 5, 5, 5]) clock.advance(ms);
    actor.send({ type: 'go' });
    clock.advance(12);
    actor.send({ type: 'go' });
    clock.advance(100);
    actor.stop();
    expect(clock.pending).toBe(0);
  }));

test.each(['clash', 'forge'])('what is wrong (%s) is an error of the actor, as in XState’s own system', (type) =>
  both(wrong, ({ actor }) => {
    actor.start();
    actor.send({ type });
  }),
);

test('a root has no parent from its first state on', () =>
  both(setup({}).createMachine({ entry: sendTo('#_parent', { type: 'x' }) }), ({ actor }, log) => {
    actor.start();
    log.push(actor.getSnapshot().status);
  }));

test('who listens for what an actor emits hears it, until it stops listening', () =>
  both(
    setup({ types: { emitted: {} as { type: 'ping' } } }).createMachine({
      on: { go: { actions: ({ self }) => void self.getSnapshot() } },
      entry: ({ self }) => void self,
    }),
    ({ actor }, log) => {
      const listening = actor.on('ping', () => void log.push('ping'));
      actor.start();
      const emit = (actor as unknown as { _actorScope: { emit(event: object): void } })._actorScope.emit;
      emit({ type: 'ping' });
      listening.unsubscribe();
      emit({ type: 'ping' });
      log.push('done');
    },
  ));

test('whoever inspects stops hearing when it unsubscribes', () =>
  both(busy, ({ actor }, log) => {
    let heard = 0;
    const watching = actor.system.inspect({
      next: () => {
        heard += 1;
      },
    });
    actor.start();
    const before = heard;
    watching.unsubscribe();
    actor.send({ type: 'nothing' });
    log.push(before > 0, heard === before);
  }));

test('all that XState’s system has is there under its name', () => {
  const theirs = createActor(idle).system as unknown as Record<string, unknown>;
  const ours = new ChartSystem(new ManualClock(), false) as unknown as Record<string, unknown>;
  for (const name of Object.keys(theirs)) {
    // The delayed events, which only XState’s own functions look at.
    if (name === '_snapshot') continue;
    expect([name, typeof ours[name]]).toEqual([name, name === 'scheduler' ? 'object' : typeof theirs[name]]);
  }
  for (const name of Object.keys(theirs.scheduler as object))
    expect(typeof (ours.scheduler as Record<string, unknown>)[name]).toBe('function');
});

test('actors of several systems have names of their own', () => {
  const actors = [1, 2].map(() => makers.ours!(busy).actor.sessionId);
  expect(new Set(actors).size).toBe(2);
});

test('what a chart asks its system for can be taken out of it', () =>
  both(busy, ({ actor }, log) => {
    const { get, getAll } = actor.system;
    actor.start();
    log.push(idOf(get('known')), Object.keys(getAll()));
  }));

test('an action of a step is shown and done once, one of the beginning after the actors are there', () => {
  const noted: string[] = [];
  const logic = setup({
    actions: {
      say: (_, { word }: { word: string }) => void noted.push(word),
      fail: () => {
        throw new Error('boom');
      },
    },
  }).createMachine({
    entry: [{ type: 'say', params: { word: 'begun' } }, raise({ type: 'more' })],
    exit: { type: 'say', params: { word: 'left' } },
    on: {
      more: { actions: { type: 'say', params: { word: 'more' } } },
      go: { actions: [{ type: 'say', params: { word: 'gone' } }, { type: 'nobody knows' } as never] },
      fail: { actions: ['fail', { type: 'say', params: { word: 'never' } }] },
    },
  });
  return both(logic, ({ actor }, log) => {
    noted.length = 0;
    log.push([...noted]);
    actor.start();
    actor.send({ type: 'go' });
    actor.send({ type: 'fail' });
    log.push([...noted], actor.getSnapshot().status);
  });
});

test('logic may take out of its scope what it needs, and stops nobody’s children but its own', () => {
  const logic: AnyActorLogic = {
    ...idle,
    getInitialSnapshot: (scope: never) => {
      const { id, defer, self, system, logger } = scope as Record<string, unknown>;
      const noted: unknown[] = [id, idOf(self as object), system === (self as AnyActorRef).system, typeof logger];
      (defer as (effect: () => void) => void)(() => void noted.push('deferred'));
      return { status: 'active', output: undefined, error: undefined, noted } as never;
    },
    transition: (snapshot: never, _: never, scope: never) => {
      const { stopChild: stop } = scope as { stopChild(child: AnyActorRef): void };
      stop(createActor(idle, { id: 'stranger' }));
      return snapshot;
    },
    start: undefined,
  } as never;
  return both(logic, ({ actor }, log) => {
    actor.start();
    actor.send({ type: 'go' });
    const { status, noted, error } = actor.getSnapshot() as unknown as Record<string, unknown>;
    log.push(status, noted, (error as Error).message);
  });
});

test('all that XState’s scope has is there under its name', () => {
  const scopeOf = ({ actor }: Made): Record<string, unknown> =>
    (actor as unknown as { _actorScope: Record<string, unknown> })._actorScope;
  const [theirs, ours] = Object.values(makers).map((make) => scopeOf(make(idle)));
  for (const name of Object.keys(theirs!)) expect([name, typeof ours![name]]).toEqual([name, typeof theirs![name]]);
});

test('an actor that goes takes its own name only, and nobody else’s is looked at for that', () => {
  const system = new ChartSystem(new ManualClock(), false);
  const actors = ['a', 'b', 'c'].map((systemId) => ({ systemId }) as never);
  for (const [index, systemId] of ['a', 'b', 'c'].entries()) system._set(systemId, actors[index] as never);
  const walked = vi.spyOn(Map.prototype, Symbol.iterator);
  system._unregister(actors[1] as never);
  system._unregister({ systemId: 'c' } as never);
  expect(walked).not.toHaveBeenCalled();
  walked.mockRestore();
  expect(Object.keys(system.getAll())).toEqual(['a', 'c']);
});

test('a delayed event whose id another has taken still comes, as in XState', () =>
  both(
    setup({}).createMachine({
      entry: [10, 20, 30].map((delay) => raise({ type: `after ${delay}` }, { delay, id: 'one' })),
      on: { stop: { actions: cancel('one') }, '*': {} },
    }),
    ({ actor, clock }, log) => {
      actor.start();
      clock.advance(15);
      actor.send({ type: 'stop' });
      clock.advance(30);
      log.push(actor.system.getSnapshot());
    },
  ));
