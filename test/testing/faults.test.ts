import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fromHandler } from '../../src/actors/kernel/handler.ts';
import { chargeStrayThrows } from '../../src/actors/kernel/stray.ts';
import { FaultInjector, InjectedFault } from '../../src/testing/faults.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { lab, one, plain, polite, settle, stubborn, until, worker } from '../actors/kernel/lab.ts';

function faulty(spend?: (ms: number) => void) {
  const clock = new ManualClock();
  const faults = new FaultInjector({ clock, ...(spend ? { spend } : {}) });
  const errors: unknown[] = [];
  const slow: unknown[] = [];
  const made = lab({
    clock,
    faults: faults.hook,
    onRestart: ({ path, reason, error }) => {
      made.log.push(`restart ${path} ${reason}`);
      errors.push(error);
    },
    onSlowTurn: ({ path }) => slow.push(path),
  });
  return { ...made, clock, faults, errors, slow };
}

describe('a fault in an actor', () => {
  test.each([
    ['a chart', polite('a', [])],
    ['plain logic', plain(() => {})],
    ['a handler that looks at its messages', fromHandler(() => (message) => message.type)],
    ['a handler that does not', fromHandler(() => () => {})],
  ])('crashes %s in a turn of its own, and nobody else', async (_, logic) => {
    const { kernel, faults, log, errors } = faulty();
    await kernel.start(one('node', [worker('a', logic), worker('b', polite('b', log))]));
    expect(faults.crash('/node/a')).toBe(true);
    expect(log).toEqual(['start b']);
    await settle();
    expect(log).toEqual(['start b', 'restart /node/a crash']);
    expect(errors).toEqual([new InjectedFault('/node/a')]);
    await kernel.stop();
  });

  test('crashes a supervisor with all below it', async () => {
    const { kernel, faults, log } = faulty();
    await kernel.start(one('node', [one('room', [worker('a', polite('a', log))])]));
    faults.crash('/node/room');
    await settle();
    expect(log).toEqual(['start a', 'restart /node/room crash', 'start a']);
    await kernel.stop();
  });

  test('is for the life that it was meant for, and not for the next one', async () => {
    const { kernel, faults, log } = faulty();
    await kernel.start(one('node', [worker('a', polite('a', log))], { intensity: 5 }));
    faults.crash('/node/a');
    faults.kill('/node/a');
    await settle();
    expect(log).toEqual(['start a', 'restart /node/a killed', 'start a']);
    await kernel.stop();
  });

  test('of nobody is refused', async () => {
    const { kernel, faults } = faulty();
    await kernel.start(one('node', []));
    const done = [
      faults.crash('/node/a'),
      faults.kill('/node/a'),
      faults.slowTurn('/node/a', 1),
      faults.stray('/x', 'timer'),
    ];
    expect(done).toEqual([false, false, false, false]);
    await kernel.stop();
  });

  test('makes starts fail as often as it says', async () => {
    const { kernel, faults, log } = faulty();
    await kernel.start(one('node', [worker('a', polite('a', log))], { intensity: 5 }));
    faults.failStarts('/node/a', 2);
    faults.kill('/node/a');
    await settle();
    const restarts = ['killed', 'crash', 'crash'].map((reason) => `restart /node/a ${reason}`);
    expect(log).toEqual(['start a', ...restarts, 'start a']);
    await kernel.stop();
  });

  test('makes it stay when it is told to stop, until its time is over', async () => {
    const { kernel, faults, clock, log } = faulty();
    await kernel.start(one('node', [worker('a', polite('a', log)), worker('b', stubborn('b', log))]));
    faults.refuseToStop('/node/a');
    const stopped = kernel.terminateChild('/node', 'a');
    await clock.advanceAsync(4_999);
    expect(kernel.countChildren('/node')).toMatchObject({ value: { active: 2 } });
    await clock.advanceAsync(1);
    expect(await stopped).toEqual({ ok: true, value: undefined });
    expect(log).toEqual(['start a']);
    faults.clear('/node/a');
    await kernel.restartChild('/node', 'a');
    await kernel.terminateChild('/node', 'a');
    expect(log).toEqual(['start a', 'start a', 'stop a']);
    kernel.kill('/node/b');
    await kernel.stop();
  });

  test('makes a turn slow, which is noticed', async () => {
    const { kernel, faults, slow, clock } = faulty((ms) => clock.advance(ms));
    await kernel.start(one('node', [worker('a', polite('a', []))]));
    faults.slowTurn('/node/a', 5_000);
    await settle();
    expect(slow).toEqual(['/node/a']);
    await kernel.stop();
  });
});

describe('a fault in a lane', () => {
  async function hearing() {
    const made = faulty();
    const heard: unknown[] = [];
    await made.kernel.start(
      one(
        'node',
        [
          worker(
            'a',
            plain(({ type }) => void heard.push(type)),
          ),
        ],
        { intensity: 5 },
      ),
    );
    return { ...made, heard, ref: made.kernel.ref('/node/a') };
  }

  test('loses as many messages as it says, and nothing of other lanes', async () => {
    const { kernel, faults, heard, ref } = await hearing();
    faults.drop('/node/a', 'user', 2);
    for (const type of ['1', '2', '3']) expect(ref.tell({ type }).ok).toBe(true);
    ref.tell({ type: 'urgent' }, 'control');
    await settle();
    expect(heard).toEqual(['urgent', '3']);
    faults.drop('/node/a', 'control');
    ref.tell({ type: 'lost' }, 'control');
    // What is injected comes through all the same.
    expect(faults.crash('/node/a')).toBe(true);
    await settle();
    expect([heard, kernel.tree().at(-1)?.incarnation]).toEqual([['urgent', '3'], 2]);
    faults.clear();
    await kernel.stop();
  });

  test('delays messages, each once', async () => {
    const { kernel, faults, heard, ref, clock } = await hearing();
    faults.delay('/node/a', 'user', 100);
    faults.delay('/node/a', 'supervision', 50, 1);
    ref.tell({ type: 'late' });
    ref.tell({ type: 'sooner' }, 'supervision');
    ref.tell({ type: 'at once' }, 'supervision');
    await clock.advanceAsync(49);
    expect(heard).toEqual(['at once']);
    await clock.advanceAsync(51);
    expect(heard).toEqual(['at once', 'sooner', 'late']);
    await kernel.stop();
  });
});

describe('a stray throw', () => {
  const kept = new Map<string, ((...args: never[]) => void)[]>();
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  beforeEach(() => {
    // Vitest’s own listeners would report these on purpose throws as failures.
    for (const event of events) {
      kept.set(event, process.listeners(event as 'uncaughtException') as never);
      process.removeAllListeners(event);
    }
  });
  afterEach(() => {
    for (const event of events) for (const listener of kept.get(event) ?? []) process.on(event, listener as never);
  });

  test.each(['timer', 'promise'] as const)('from a %s is charged to the actor', async (from) => {
    const { kernel, faults, log, strays } = faulty();
    const undo = chargeStrayThrows(kernel, process);
    await kernel.start(one('node', [worker('a', polite('a', log))]));
    faults.stray('/node/a', from);
    await until(() => log.length === 3);
    undo();
    expect([log, strays]).toEqual([['start a', 'restart /node/a crash', 'start a'], []]);
    await kernel.stop();
  });
});
