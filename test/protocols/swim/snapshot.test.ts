import { describe, expect, test } from 'vitest';
import { isNews } from '../../../src/protocols/swim/belief.ts';
import { partition, snapshot } from '../../../src/protocols/swim/swim.ts';
import { unverified } from '../../../src/unverified.ts';
import { claims, named, Stage } from './stage.ts';

const before = () => {
  const stage = new Stage(['node-2', 'node-3', 'node-4', 'node-5', 'node-6']);
  stage.hears('node-3', claims.leave('node-6'), claims.dead('node-2', ['node-3', 'node-4', 'node-5']));
  stage.hears('node-3', claims.suspect('node-4', 'node-5'));
  return stage;
};

const restored = () => {
  const stage = new Stage([], { epoch: 2, expectedSize: 6 });
  stage.input({ type: 'restored', claims: snapshot(before().state), now: 0 });
  return stage;
};

test('a snapshot has every other member with its counters, deaths and leaves, and no suspicion', () => {
  expect(named(snapshot(before().state)).sort()).toEqual([
    'alive node-2',
    'alive node-3',
    'alive node-4',
    'alive node-5',
    'alive node-6',
    'dead node-2',
    'leave node-6',
  ]);
});

describe('a restored member', () => {
  test('is unreachable until it is heard, so that memory makes no majority', () => {
    const stage = restored();
    expect(['node-2', 'node-3', 'node-6'].map((node) => stage.status(node))).toEqual(['dead', 'unreachable', 'left']);
    expect(partition(stage.state)).toBe('isolated');
    stage.receives('node-3', { kind: 'gossip', claims: [] });
    expect(stage.status('node-3')).toBe('alive');
  });

  test('is alive when another vouches for it with the same claim', () => {
    const stage = restored();
    const vouched = claims.alive('node-4');
    expect(isNews(stage.state, unverified(vouched))).toBe(true);
    stage.hears('node-3', vouched);
    expect(stage.status('node-4')).toBe('alive');
  });

  test('is probed like any other', () => {
    const stage = restored();
    stage.start();
    stage.passes(3_000);
    const probed = stage.takeSent('ping').map(({ to }) => to);
    expect(['node-3', 'node-4', 'node-5'].every((node) => probed.some((to) => to === node))).toBe(true);
  });

  test('is no news to others', () => {
    const stage = restored();
    expect(stage.state.broadcasts.count).toBe(0);
  });

  test('is not taken back in time by an old claim that comes round again', () => {
    const stage = new Stage([], { epoch: 2 });
    stage.input({ type: 'restored', claims: [claims.alive('node-2', 7, 3)], now: 0 });
    stage.hears('node-3', claims.alive('node-2', 7, 2), claims.dead('node-2', ['node-3', 'node-4', 'node-5'], 7, 2));
    expect(stage.state.roster.records.get('node-2' as never)).toMatchObject({ incarnation: 3, status: 'unreachable' });
  });
});
