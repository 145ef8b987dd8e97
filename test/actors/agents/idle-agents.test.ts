import { queryObjects } from 'node:v8';
import { expect, test } from 'vitest';
import { setup } from 'xstate';
import type { Behaviour } from '../../../src/actors/agents/behaviour.ts';
import type { AgentId } from '../../../src/names.ts';
import { hosting } from './agent-lab.ts';

const agents = 100;
/** How many functions and maps there are after a full collection; each look takes a tenth of a second. */
const counts = () =>
  [Function, Map].map((kind) => queryObjects(kind as new () => object, { format: 'count' })) as [number, number];

/** `bench/kernel` has the bytes; these are what would bring most of them back. */
test('an idle agent keeps no closure or map of its own; one whose code is a chart what XState makes for two actors', async () => {
  const { host, kernel } = await hosting();
  const chart = setup({}).createMachine({ initial: 'idle', states: { idle: {} } });
  /** Functions and maps for each of a hundred. */
  const kept = async (name: string, behaviour: Behaviour): Promise<readonly number[]> => {
    const before = counts();
    for (let n = 1; n <= agents; n += 1) {
      const id = `default/${name}-${n}` as AgentId;
      expect((await host.start(id, behaviour, host.keys.make(id))).ok).toBe(true);
    }
    return counts().map((count, at) => Math.round((count - before[at]!) / agents));
  };
  await host.start('default/first' as AgentId, { kind: 'chart', chart }, undefined);
  expect(await kept('handler', { kind: 'handler', handler: () => {} })).toEqual([0, 0]);
  const [functions, maps] = await kept('chart', { kind: 'chart', chart });
  // Four closures and two bound functions for each actor.
  expect(functions).toBeLessThanOrEqual(14);
  expect(maps).toBe(0);
  await kernel.stop();
});
