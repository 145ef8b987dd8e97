import { describe, expect, test } from 'vitest';
import { fromCallback } from 'xstate';
import { type SpecFault, specFaults, specRefusal } from '../../../src/actors/kernel/child-spec.ts';
import { fromHandler } from '../../../src/actors/kernel/handler.ts';
import type { ChildSpec } from '../../../src/actors/kernel/spec.ts';
import { limits } from '../../../src/limits.ts';
import { MemoryStore } from '../../../src/testing/memory-store.ts';
import { lab, one, worker } from './lab.ts';

const logic = fromCallback(() => {});
const good = worker('a', logic);
const spec = (over: object, base: ChildSpec = good): ChildSpec => ({ ...base, ...over }) as ChildSpec;
const supervisor = one('s', [good]);

const store = new MemoryStore();

let deep: ChildSpec = good;
for (let level = 0; level < limits.treeDepthMax; level += 1) deep = one('s', [deep]);

describe('each wrong field has its own name', () => {
  const table: [SpecFault['name'], ChildSpec][] = [
    ['invalid-kind', spec({ kind: 'manager' })],
    ['invalid-id', spec({ id: 'Upper' })],
    ['invalid-id', spec({ id: 'a/b' })],
    ['invalid-id', spec({ id: undefined })],
    ['duplicate-id', one('s', [good, worker('b', logic), good])],
    ['invalid-logic', spec({ logic: {} })],
    ['invalid-logic', spec({ logic: undefined })],
    ['invalid-restart', spec({ restart: 'always' })],
    ['invalid-shutdown', spec({ shutdown: -1 })],
    ['invalid-shutdown', spec({ shutdown: 0.5 })],
    ['invalid-shutdown', spec({ shutdown: 2 ** 31 })],
    ['invalid-shutdown', spec({ shutdown: 'never' })],
    ['invalid-shutdown', spec({ shutdown: Number.NaN })],
    ['invalid-significant', spec({ significant: 'yes' })],
    ['bad-combination', spec({ significant: true, restart: 'transient' })],
    ['bad-combination', one('s', [spec({ significant: true })], { autoShutdown: 'any-significant' })],
    ['invalid-overflow', spec({ overflow: 'block' })],
    ['invalid-group', spec({ group: 'A tenant' })],
    ['invalid-started-when', spec({ startedWhen: true })],
    ['invalid-start-timeout', spec({ startTimeoutMs: 0 })],
    ['invalid-inbox', spec({ inboxMessagesMax: 0 })],
    ...[
      null,
      {},
      { version: 1 },
      { version: 0, store },
      { version: 1, store: { get: store.get } },
      { version: 1, store, key: '' },
      { version: 1, store, saveDelayMs: -1 },
      { version: 1, store, migrate: 'yes' },
      { version: 1, store, ifUnreadable: 'ignore' },
      { version: 1, store, afterCrash: 'again' },
    ].map((persistence): [SpecFault['name'], ChildSpec] => ['invalid-persistence', spec({ persistence })]),
    ['invalid-persistence', spec({ logic: fromHandler(() => () => {}), persistence: { version: 1, store } })],
    ['invalid-strategy', spec({ strategy: 'one-for-some' }, supervisor)],
    ['invalid-intensity', spec({ intensity: -1 }, supervisor)],
    ['invalid-intensity', spec({ intensity: limits.restartsRememberedMax + 1 }, supervisor)],
    ['invalid-intensity', spec({ intensity: Number.NaN }, supervisor)],
    ['invalid-period', spec({ periodMs: 0 }, supervisor)],
    ['invalid-period', spec({ periodMs: Number.POSITIVE_INFINITY }, supervisor)],
    ['invalid-auto-shutdown', spec({ autoShutdown: 'always' }, supervisor)],
    ['invalid-backoff', spec({ backoff: {} }, supervisor)],
    ['invalid-backoff', spec({ backoff: { initialMs: 10, maxMs: 5, factor: 2 } }, supervisor)],
    ['invalid-backoff', spec({ backoff: { initialMs: 1, maxMs: 5, factor: Number.NaN } }, supervisor)],
    ['invalid-template', one('s', [], { strategy: 'simple-one-for-one' })],
    ['invalid-template', one('s', [good, worker('b', logic)], { strategy: 'simple-one-for-one' })],
    ['invalid-on-started', spec({ onStarted: true }, supervisor)],
    ['invalid-stop-together', spec({ stopTogether: 'yes' }, supervisor)],
    ['invalid-children', spec({ children: undefined }, supervisor)],
    ['too-many-children', spec({ children: new Array(limits.childrenMax + 1).fill(good) }, supervisor)],
    ['too-deep', deep],
  ];
  test.each(table)('%s', (name, wrong) => {
    expect(specFaults(wrong, '/node').map((fault) => fault.name)).toEqual([name]);
  });
});

test('what is no spec at all, or cannot be looked at, is refused like any other wrong one', () => {
  const trap = (): never => {
    throw new Error('a trap');
  };
  const odd: unknown[] = [
    null,
    undefined,
    7,
    'a',
    new Proxy({}, { get: trap }),
    { ...good, id: Symbol('a') },
    { ...good, id: { toString: trap } },
    { ...good, id: 'a'.repeat(1_000_000) },
    one('s', [new Proxy(good, { get: trap }) as ChildSpec]),
  ];
  for (const each of odd) {
    const refusal = specRefusal(each as ChildSpec, '/node');
    expect(refusal?.code).toBe('SUPERVISION');
    expect(refusal?.reasons.join('').length).toBeLessThan(1_000);
  }
});

test('a tree that leads back to itself, or names one part again and again, is refused at once', () => {
  const round = { ...one('s', []), children: [] as ChildSpec[] };
  round.children.push(round, { ...round, id: 't' });
  expect(specFaults(round, '')[0]?.name).toBe('too-deep');
  let twice: ChildSpec = good;
  for (let level = 1; level < limits.treeDepthMax; level += 1)
    twice = one('s', [
      { ...twice, id: 'a' },
      { ...twice, id: 'b' },
    ]);
  expect(specFaults(twice, '').map(({ name }) => name)).toEqual(['too-many-specs']);
});

test('what is right passes, edges included', () => {
  for (const right of [
    spec({ shutdown: 0 }),
    spec({
      shutdown: 'infinity',
      restart: 'temporary',
      startTimeoutMs: 1,
      inboxMessagesMax: 1,
      startedWhen: () => true,
    }),
    spec({ intensity: 0, periodMs: 1, children: [] }, supervisor),
  ])
    expect(specRefusal(right, '/node')).toBeUndefined();
});

test('faults deep in a tree are all found, each with its path, up to the limit of reasons', () => {
  const tree = one('node', [
    worker('a', logic, { shutdown: -1 }),
    one('inner', [spec({ id: 'B' }), spec({ id: 'c', restart: 'x' })]),
  ]);
  expect(specFaults(tree, '').map(({ path, name }) => `${path} ${name}`)).toEqual([
    '/node/a invalid-shutdown',
    '/node/inner/B invalid-id',
    '/node/inner/c invalid-restart',
  ]);
  const many = one(
    'node',
    Array.from({ length: 50 }, (_, n) => worker(`w${n}`, logic, { shutdown: -1 })),
  );
  expect(specRefusal(many, '')?.reasons).toHaveLength(limits.reasonsMax);
});

test('a kernel takes no wrong spec, neither at its start nor later', async () => {
  const { kernel } = lab();
  await expect(kernel.start(one('node', [spec({ shutdown: -1 })]))).rejects.toMatchObject({
    code: 'SUPERVISION',
    reasons: [expect.stringContaining('/node/a: invalid-shutdown')],
  });
  await kernel.start(one('node', []));
  expect(await kernel.startChild('/node', spec({ id: 'X' }))).toMatchObject({ refusal: { code: 'SUPERVISION' } });
  expect(kernel.tree()).toHaveLength(1);
  await kernel.stop();
});
