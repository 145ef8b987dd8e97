import { describe, expect, test } from 'vitest';
import { CaxtonError } from '../../../src/errors.ts';
import { swimProfiles } from '../../../src/protocols/swim/config.ts';
import { createSwim, memberOf, members, partition, step } from '../../../src/protocols/swim/swim.ts';
import { swimOptions } from '../../simulate/fake-claims.ts';
import { claims, id, named, Stage } from './stage.ts';

describe('createSwim refuses', () => {
  const { self } = swimOptions('node-1');
  test.each([
    ['a config that contradicts itself', { config: { ...swimProfiles.local, probeTimeoutMs: 900 } }],
    ['an epoch beyond u32', { self: { ...self, bootEpoch: 2 ** 32 } }],
    ['an epoch that is no whole number', { self: { ...self, bootEpoch: 1.5 } }],
    ['a member without address', { self: { ...self, addresses: [] } }],
  ])('%s', (_name, changes) => {
    expect(() => createSwim(swimOptions('node-1', changes))).toThrow(CaxtonError);
  });
});

describe('link.ready', () => {
  test('with a stranger asks for a push/pull', () => {
    expect(new Stage().input({ type: 'link.ready', peer: id('node-2'), now: 0 })).toContainEqual({
      type: 'push-pull',
      with: 'node-2',
    });
  });

  test('with a living member asks for none', () => {
    const stage = new Stage(['node-2']);
    expect(stage.input({ type: 'link.ready', peer: id('node-2'), now: 0 })).toEqual([]);
  });

  test('brings an unreachable member back', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.failsToReach('node-2');
    stage.passes(2_000);
    expect(stage.status('node-2')).toBe('unreachable');
    stage.input({ type: 'link.ready', peer: id('node-2'), now: stage.now });
    expect(stage.status('node-2')).toBe('alive');
  });

  test('of a later boot says nothing about the dead one, but asks what is new', () => {
    const stage = new Stage(['node-2', 'node-3', 'node-4']);
    stage.hears('node-3', claims.dead('node-2', ['node-3', 'node-4']));
    const effects = stage.input({ type: 'link.ready', peer: id('node-2'), bootEpoch: 2, now: 0 });
    expect(effects).toEqual([{ type: 'push-pull', with: 'node-2' }]);
    expect(stage.status('node-2')).toBe('dead');
    stage.hears('node-2', claims.alive('node-2', 2));
    expect(memberOf(stage.state, id('node-2'))).toMatchObject({ status: 'alive', bootEpoch: 2 });
  });
});

describe('link.lost', () => {
  test('starts a probe at once and is no verdict', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.input({ type: 'link.lost', peer: id('node-2'), now: 0 });
    expect(stage.takeSent('ping').map(({ to }) => to)).toEqual(['node-2']);
    expect(stage.status('node-2')).toBe('alive');
  });

  test('is an accusation when the member stays silent for the probe’s timeout, and none when it answers', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.input({ type: 'link.lost', peer: id('node-2'), now: 0 });
    stage.input({ type: 'link.lost', peer: id('node-3'), now: 0 });
    const ping = stage.takeSent('ping').find(({ to }) => to === 'node-3')!;
    stage.receives('node-3', { kind: 'ack', seq: 'seq' in ping.packet ? ping.packet.seq : 0, claims: [] });
    stage.passes(stage.state.options.config.probeTimeoutMs - 1);
    expect(stage.status('node-2')).toBe('alive');
    stage.passes(1);
    expect(stage.status('node-2')).toBe('suspect');
    expect(stage.status('node-3')).toBe('alive');
  });

  test('of a stranger, or of one that left, means nothing', () => {
    const stage = new Stage(['node-2']);
    stage.hears('node-2', claims.leave('node-2'));
    stage.takeSent();
    expect(
      stage.input({ type: 'link.lost', peer: id('node-2'), now: 0 }).filter(({ type }) => type === 'send'),
    ).toEqual([]);
    expect(
      stage.input({ type: 'link.lost', peer: id('node-66'), now: 0 }).filter(({ type }) => type === 'send'),
    ).toEqual([]);
  });
});

describe('a packet', () => {
  test('from a stranger gets no answer but asks for a push/pull', () => {
    const stage = new Stage();
    const effects = stage.receives('node-2', { kind: 'ping', seq: 1, target: id('node-1'), claims: [] });
    expect(effects).toEqual([{ type: 'push-pull', with: 'node-2' }]);
  });

  test('from a stranger that brings its own alive claim is answered', () => {
    const stage = new Stage();
    stage.receives('node-2', { kind: 'ping', seq: 1, target: id('node-1'), claims: [claims.alive('node-2')] });
    expect(stage.takeSent('ack').map(({ to }) => to)).toEqual(['node-2']);
  });

  test('from the dead brings it back, and is answered with the accusation to refute', () => {
    const stage = new Stage(['node-2', 'node-3', 'node-4']);
    stage.hears('node-3', claims.dead('node-2', ['node-3', 'node-4']));
    stage.takeSent();
    stage.receives('node-2', { kind: 'ping', seq: 1, target: id('node-1'), claims: [] });
    expect(stage.status('node-2')).toBe('alive');
    const [ack] = stage.takeSent('ack');
    expect(named(ack!.packet.claims)).toContain('suspect node-2');
  });
});

describe('gossip', () => {
  test('goes out between probes, and stops when everything was sent often enough', () => {
    const stage = new Stage(['node-2', 'node-3', 'node-4', 'node-5']);
    stage.passes(100);
    expect(stage.takeSent('gossip')).toHaveLength(3);
    stage.passes(1_000);
    stage.takeSent();
    stage.passes(10_000);
    expect(stage.takeSent()).toEqual([]);
  });

  test('never fills a packet beyond its limit', () => {
    const others = Array.from({ length: 60 }, (_, index) => `node-${index + 2}`);
    const stage = new Stage(others, { plaintextBytesMax: 600 });
    stage.passes(5_000);
    const sent = stage.takeSent('gossip');
    expect(sent.length).toBeGreaterThan(10);
    for (const { packet } of sent) {
      expect(packet.claims.reduce((sum, { wire }) => sum + wire.length, 0)).toBeLessThanOrEqual(600 - 16);
    }
  });

  test('leaves a claim that fits no packet to push/pull', () => {
    const stage = new Stage(['node-2'], { plaintextBytesMax: 400 });
    const addresses = Array.from({ length: 4 }, () => ({ host: 'h'.repeat(120), port: 1 }));
    stage.hears('node-2', claims.alive('node-3', 1, 1, { addresses }));
    expect(stage.status('node-3')).toBe('alive');
    expect(stage.state.broadcasts.bySubject.has(id('node-3'))).toBe(false);
  });
});

describe('a missing directory entry', () => {
  test('is asked for once in a probe interval, from whoever passed the claim on', () => {
    const stage = new Stage(['node-2']);
    const missing = () =>
      stage.input({ type: 'directory.missing', from: id('node-2'), node: id('node-9'), now: stage.now });
    expect(missing()).toEqual([
      { type: 'need-directory', node: 'node-9' },
      { type: 'push-pull', with: 'node-2' },
    ]);
    expect(missing()).toEqual([]);
    stage.start();
    stage.passes(500);
    expect(missing()).not.toEqual([]);
  });

  test('is asked for in one exchange with the peer, however many nodes it made up', () => {
    const stage = new Stage(['node-2', 'node-3']);
    const missing = (from: string, node: string) =>
      stage.input({ type: 'directory.missing', from: id(from), node: id(node), now: stage.now });
    const exchanges = ['a', 'b', 'c']
      .flatMap((node) => missing('node-2', node))
      .filter(({ type }) => type === 'push-pull');
    expect(exchanges).toEqual([{ type: 'push-pull', with: 'node-2' }]);
    expect(missing('node-3', 'd')).toContainEqual({ type: 'push-pull', with: 'node-3' });
  });
});

describe('a member that leaves', () => {
  test('tells others at once, answers no more accusations and reports when it may go', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.passes(1_000);
    stage.takeSent();
    stage.input({ type: 'leave', now: stage.now });
    const told = stage.takeSent('gossip');
    expect(told.map(({ to }) => to).sort()).toEqual(['node-2', 'node-3']);
    expect(named(told[0]!.packet.claims)).toContain('leave node-1');
    stage.hears('node-2', claims.suspect('node-1', 'node-2'));
    expect(stage.state.self.incarnation).toBe(1);
    stage.passes(1_000);
    expect(stage.effects.filter(({ type }) => type === 'left')).toHaveLength(1);
    expect(members(stage.state)[0]).toMatchObject({ nodeId: 'node-1', status: 'left' });
  });

  test('goes at once when there is nobody to tell', () => {
    const stage = new Stage();
    expect(stage.input({ type: 'leave', now: 0 })).toContainEqual({ type: 'left' });
    expect(stage.input({ type: 'leave', now: 0 })).toEqual([]);
  });

  test('goes when nobody is left who could hear it', () => {
    const stage = new Stage(['node-2']);
    stage.input({ type: 'leave', now: 0 });
    expect(stage.effects).not.toContainEqual({ type: 'left' });
    stage.hears('node-2', claims.leave('node-2'));
    expect(stage.effects).toContainEqual({ type: 'left' });
  });
});

test('the partition mode follows the members that are alive or suspect', () => {
  const stage = new Stage([], { expectedSize: 3 });
  expect(partition(stage.state)).toBe('isolated');
  expect(stage.hears('node-2', claims.alive('node-2'))).toContainEqual({ type: 'partition.changed', mode: 'majority' });
  stage.failsToReach('node-2');
  expect(partition(stage.state)).toBe('majority');
  stage.passes(2_000);
  expect(stage.effects).toContainEqual({ type: 'partition.changed', mode: 'isolated' });
});

test('timers that nobody waits for any more are ignored', () => {
  const { state } = new Stage(['node-2']);
  const stale = [
    { type: 'probe.timeout', seq: 99 },
    { type: 'probe.nack', seq: 99 },
    { type: 'probe.end', seq: 99 },
    { type: 'suspicion', node: id('node-2'), round: 99 },
    { type: 'suspicion', node: id('node-66'), round: 1 },
  ] as const;
  for (const timer of stale) {
    expect(step(state, { type: 'timer', timer, now: 1 }).effects.filter(({ type }) => type !== 'schedule')).toEqual([]);
  }
});

describe('a member whose shell was restarted', () => {
  test('probes, exchanges and gossips on', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.start();
    stage.passes(5_000);
    stage.hears('node-2', claims.alive('node-4'));
    const timers = stage.startsAgain().flatMap((effect) => (effect.type === 'schedule' ? [effect.timer.type] : []));
    expect(timers).toEqual(['probe', 'push-pull', 'gossip']);
    stage.takeSent();
    stage.passes(2_000);
    expect(new Set(stage.takeSent().map(({ packet }) => packet.kind))).toEqual(new Set(['ping', 'ping-req', 'gossip']));
  });

  test('does not think that the probes are still under way that nobody judges any more', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.start();
    for (let restart = 0; restart < 50; restart += 1) {
      stage.input({ type: 'link.lost', peer: id('node-2'), now: stage.now });
      stage.startsAgain();
    }
    expect(stage.state.probes.size).toBe(0);
  });

  test('gives an accused member the time that it had left, and no more', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.start();
    stage.failsToReach('node-2');
    stage.passes(1_500);
    expect(stage.status('node-2')).toBe('suspect');
    stage.startsAgain();
    stage.passes(499);
    expect(stage.status('node-2')).toBe('suspect');
    stage.passes(1);
    expect(stage.status('node-2')).toBe('unreachable');
  });

  test('is alive since its first start', () => {
    const stage = new Stage(['node-2']);
    stage.passes(1_000);
    stage.start();
    stage.passes(1_000);
    stage.startsAgain();
    expect(memberOf(stage.state, id('node-1'))?.sinceMs).toBe(1_000);
  });
});

test('who is linked and yet not alive here is asked again, for a document may have been lost or refused', () => {
  const stage = new Stage(['node-2', 'node-3', 'node-4']);
  stage.start();
  for (const peer of ['node-2', 'node-3']) {
    stage.hears(peer, claims.leave(peer));
    stage.input({ type: 'link.ready', peer: id(peer), bootEpoch: 2, now: stage.now });
  }
  stage.hears('node-4', claims.leave('node-4'));
  stage.input({ type: 'link.lost', peer: id('node-4'), now: stage.now });
  stage.effects = [];
  stage.passes(20 * stage.state.options.config.pushPullIntervalMs);
  const asked = stage.effects.flatMap((effect) => (effect.type === 'push-pull' ? [effect.with] : []));
  expect([...new Set(asked)].sort()).toEqual(['node-2', 'node-3']);
});
