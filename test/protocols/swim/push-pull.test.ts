import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { decodePushPull, encodePushPull, pushPull, pushPullDelayMs } from '../../../src/protocols/swim/push-pull.ts';
import { swimOptions, utf8 } from '../../simulate/swim-cluster.ts';
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

describe('the document', () => {
  test('gives back what was written', () => {
    const list = [claims.alive('a'), claims.suspect('b', 'c'), claims.dead('d', ['e', 'f'])];
    expect(decodePushPull(encodePushPull(list, utf8), utf8)).toEqual({ ok: true, value: { unverified: list } });
  });

  test('is cut at the limit rather than refused by the peer', () => {
    const alive = claims.alive('a', 1, 1, { addresses: [{ host: 'h'.repeat(200), port: 1 }] });
    const list = new Array<typeof alive>(10_000).fill(alive);
    const bytes = encodePushPull(list, utf8);
    expect(bytes.length).toBeLessThanOrEqual(limits.pushPullBytesMax);
    const decoded = decodePushPull(bytes, utf8);
    expect(decoded.ok && decoded.value.unverified.length).toBe(
      Math.floor((limits.pushPullBytesMax - 5) / alive.wire.length),
    );
  });

  test('of random bytes is refused and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 200 }), (bytes) => {
        expect(decodePushPull(bytes, utf8)).toMatchObject({ ok: false, refusal: { code: 'MALFORMED' } });
      }),
    );
  });

  test('over the limit is refused unread', () => {
    expect(decodePushPull(new Uint8Array(limits.pushPullBytesMax + 1), utf8).ok).toBe(false);
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
