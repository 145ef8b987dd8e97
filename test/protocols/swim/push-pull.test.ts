import { describe, expect, test } from 'vitest';
import { pushPull, pushPullDelayMs } from '../../../src/protocols/swim/push-pull.ts';
import { swimOptions } from '../../simulate/fake-claims.ts';
import { claims, named, Stage } from './stage.ts';

describe('pushPull', () => {
  test('says everything that can be proved, itself first and subjects before verdicts', () => {
    const stage = new Stage(['node-2', 'node-3', 'node-4', 'node-5', 'node-6']);
    stage.hears('node-3', claims.leave('node-6'), claims.dead('node-2', ['node-3', 'node-4', 'node-5']));
    stage.hears('node-3', claims.suspect('node-4', 'node-5'));
    const said = named(pushPull(stage.state));
    expect(said[0]).toBe('alive node-1');
    expect([...said].sort()).toEqual([
      'alive node-1',
      'alive node-2',
      'alive node-3',
      'alive node-4',
      'alive node-5',
      'alive node-6',
      'dead node-2',
      'leave node-6',
      'suspect node-4',
    ]);
    expect(said.indexOf('alive node-2')).toBeLessThan(said.indexOf('dead node-2'));
  });

  test('brings a newcomer to the same view, in whatever order the claims come', () => {
    const stage = new Stage(['node-2', 'node-3', 'node-4', 'node-5']);
    stage.hears('node-3', claims.dead('node-2', ['node-3', 'node-4', 'node-5']));
    const views = ['node-1', 'node-2', 'node-3', 'node-4', 'node-5'];
    for (const document of [pushPull(stage.state), [...pushPull(stage.state)].reverse()]) {
      const newcomer = new Stage([], swimOptions('node-9'));
      newcomer.hears('node-1', ...document);
      expect(views.map((node) => newcomer.status(node))).toEqual(['alive', 'dead', 'alive', 'alive', 'alive']);
    }
  });
});

test.each([
  [3, 30_000],
  [32, 30_000],
  [33, 60_000],
  [64, 60_000],
  [65, 90_000],
  [10_000, 300_000],
])('%i members exchange everything every %i ms', (size, expected) => {
  expect(pushPullDelayMs(30_000, size)).toBe(expected);
});
