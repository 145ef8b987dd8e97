import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/limits.ts';
import {
  createBroadcasts,
  enqueue,
  retransmitLimit,
  takeBroadcasts,
  withdraw,
} from '../../../src/protocols/swim/broadcast.ts';
import type { SignedClaim } from '../../../src/protocols/swim/claim.ts';
import { claims, id, named } from './stage.ts';

const queueOf = (...signed: readonly SignedClaim[]) => {
  const queue = createBroadcasts();
  for (const claim of signed) enqueue(queue, claim);
  return queue;
};

test.each([
  [1, 4],
  [9, 4],
  [10, 8],
  [1_000, 16],
])('in a cluster of %i a claim is sent %i times', (size, times) => {
  expect(retransmitLimit(4, size)).toBe(times);
});

describe('the order of sending', () => {
  test('first what was sent least often', () => {
    const queue = queueOf(claims.leave('a'));
    expect(named(takeBroadcasts(queue, 1_000, 1, 9))).toEqual(['leave a']);
    enqueue(queue, claims.leave('b'));
    expect(named(takeBroadcasts(queue, 1_000, 1, 9))).toEqual(['leave b']);
  });

  test('then the largest that still fits', () => {
    const queue = queueOf(claims.leave('small'), claims.dead('large', ['x', 'y', 'z']));
    expect(named(takeBroadcasts(queue, 1_000, 1, 9))).toEqual(['dead large']);
    const tight = queueOf(claims.leave('small'), claims.dead('large', ['x', 'y', 'z']));
    expect(named(takeBroadcasts(tight, 100, 9, 9))).toEqual(['leave small']);
  });

  test('then the newest', () => {
    expect(named(takeBroadcasts(queueOf(claims.leave('a'), claims.leave('b')), 1_000, 1, 9))).toEqual(['leave b']);
  });

  test('within a packet an alive comes before the suspicion that needs it', () => {
    const queue = queueOf(claims.alive('a'), claims.dead('a', ['x', 'y', 'z']));
    expect(named(takeBroadcasts(queue, 1_000, 9, 9))).toEqual(['alive a', 'dead a']);
  });
});

describe('replacement', () => {
  const cases: readonly [string, SignedClaim, SignedClaim, string[]][] = [
    ['a newer alive replaces an older one', claims.alive('a', 1, 1), claims.alive('a', 1, 2), ['alive a']],
    ['a refutation replaces the suspicion', claims.suspect('a', 'b'), claims.alive('a', 1, 2), ['alive a']],
    [
      'a suspicion leaves the alive that it needs',
      claims.alive('a'),
      claims.suspect('a', 'b'),
      ['alive a', 'suspect a'],
    ],
    [
      'two accusers are heard side by side',
      claims.suspect('a', 'b'),
      claims.suspect('a', 'c'),
      ['suspect a', 'suspect a'],
    ],
    ['one accuser is heard once', claims.suspect('a', 'b'), claims.suspect('a', 'b'), ['suspect a']],
    ['a certificate replaces its suspicions', claims.suspect('a', 'b'), claims.dead('a', ['b', 'c']), ['dead a']],
    ['a leave replaces everything', claims.alive('a'), claims.leave('a'), ['leave a']],
  ];
  test.each(cases)('%s', (_name, first, second, left) => {
    expect(named(takeBroadcasts(queueOf(first, second), 10_000, 64, 9))).toEqual(left);
  });
});

test('a withdrawn claim is not sent', () => {
  const queue = queueOf(claims.alive('a'), claims.suspect('a', 'b'));
  withdraw(queue, id('a'), ({ claim }) => claim.kind === 'suspect');
  expect(named(takeBroadcasts(queue, 10_000, 64, 9))).toEqual(['alive a']);
});

test('past the limit the one sent most often goes, never the newcomer', () => {
  const queue = queueOf(claims.leave('old'));
  takeBroadcasts(queue, 10_000, 64, 9);
  const filler = claims.leave('x');
  for (let index = 0; index < limits.broadcastsMax; index++) {
    enqueue(queue, { ...filler, claim: { ...filler.claim, node: id(`n${index}`) } });
  }
  expect(queue.count).toBe(limits.broadcastsMax);
  expect(queue.bySubject.has(id('old'))).toBe(false);
  expect(queue.bySubject.has(id(`n${limits.broadcastsMax - 1}`))).toBe(true);
});

test('whatever is queued and taken: every claim goes out exactly as often as the limit says, and fits', () => {
  const sizes = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,40}$/), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 200, max: 600 }), (nodes, times, room) => {
      const queue = queueOf(...nodes.map((node) => claims.alive(node)));
      const sent = new Map<string, number>();
      for (let packet = 0; queue.count > 0; packet++) {
        if (packet > 1_000) throw new Error('the queue never drains');
        const taken = takeBroadcasts(queue, room, 64, times);
        expect(taken.reduce((sum, { wire }) => sum + wire.length, 0)).toBeLessThanOrEqual(room);
        for (const { claim } of taken) sent.set(claim.node, (sent.get(claim.node) ?? 0) + 1);
      }
      expect([...sent.values()]).toEqual(nodes.map(() => times));
      expect(queue.bySubject.size).toBe(0);
    }),
    { numRuns: 50 },
  );
});
