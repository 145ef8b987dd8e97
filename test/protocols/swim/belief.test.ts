import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { isNews } from '../../../src/protocols/swim/belief.ts';
import type { SignedClaim } from '../../../src/protocols/swim/claim.ts';
import { memberOf } from '../../../src/protocols/swim/swim.ts';
import { unverified } from '../../../src/unverified.ts';
import { claims, id, Stage } from './stage.ts';

describe('an alive claim', () => {
  test('of a stranger makes it a member', () => {
    const stage = new Stage();
    stage.hears('node-9', claims.alive('node-2', 3, 4));
    expect(memberOf(stage.state, id('node-2'))).toMatchObject({
      status: 'alive',
      bootEpoch: 3,
      incarnation: 4,
      addresses: [{ host: '127.0.0.1', port: 7_700 }],
      boxKey: new Uint8Array(32).fill(3),
    });
  });

  const after: readonly [string, SignedClaim, SignedClaim, string][] = [
    [
      'clears a suspicion of an earlier incarnation',
      claims.suspect('node-2', 'node-3'),
      claims.alive('node-2', 1, 2),
      'alive',
    ],
    [
      'does not clear a suspicion of its own incarnation',
      claims.suspect('node-2', 'node-3'),
      claims.alive('node-2'),
      'suspect',
    ],
    [
      'brings a dead member back with a higher incarnation',
      claims.dead('node-2', ['node-3', 'node-4']),
      claims.alive('node-2', 1, 2),
      'alive',
    ],
    [
      'brings a dead member back with a higher epoch',
      claims.dead('node-2', ['node-3', 'node-4']),
      claims.alive('node-2', 2, 1),
      'alive',
    ],
    [
      'that is stale does not bring back the dead',
      claims.dead('node-2', ['node-3', 'node-4']),
      claims.alive('node-2', 0, 99),
      'dead',
    ],
    ['brings back who left only with newer counters', claims.leave('node-2'), claims.alive('node-2'), 'left'],
    ['of a later boot brings back who left', claims.leave('node-2'), claims.alive('node-2', 2, 1), 'alive'],
  ];
  test.each(after)('%s', (_name, first, second, status) => {
    const stage = new Stage(['node-2', 'node-3', 'node-4']);
    stage.hears('node-3', first);
    stage.hears('node-3', second);
    expect(stage.status('node-2')).toBe(status);
  });

  test('past the limit of members is refused, and known members go on', () => {
    const stage = new Stage(['node-2']);
    const alive = claims.alive('x');
    for (let index = 0; index < limits.membersMax; index++) {
      stage.hears('node-2', { ...alive, claim: { ...alive.claim, node: id(`m${index}`) } });
    }
    expect(stage.state.roster.records.size + 1).toBe(limits.membersMax);
    stage.hears('node-2', claims.alive('node-2', 2));
    expect(memberOf(stage.state, id('node-2'))?.bootEpoch).toBe(2);
  });
});

describe('a leave claim', () => {
  test('outranks a certified death of the same incarnation, and is final for that boot', () => {
    const stage = new Stage(['node-2', 'node-3', 'node-4']);
    stage.hears('node-3', claims.dead('node-2', ['node-3', 'node-4']), claims.leave('node-2'));
    expect(stage.status('node-2')).toBe('left');
    stage.hears('node-3', claims.dead('node-2', ['node-3', 'node-4']));
    stage.input({ type: 'link.ready', peer: id('node-2'), now: 0 });
    expect(stage.status('node-2')).toBe('left');
  });

  test('of an earlier boot is stale', () => {
    const stage = new Stage();
    stage.hears('node-3', claims.alive('node-2', 2), claims.leave('node-2', 1, 9));
    expect(stage.status('node-2')).toBe('alive');
  });

  test('takes the member out of N, so that fewer accusers are enough', () => {
    const stage = new Stage(['node-2', 'node-3', 'node-4', 'node-5']);
    stage.hears('node-3', claims.dead('node-2', ['node-3', 'node-4']));
    expect(stage.status('node-2')).toBe('suspect');
    stage.hears('node-3', claims.leave('node-5'));
    stage.hears('node-3', claims.suspect('node-2', 'node-5'));
    stage.failsToReach('node-2');
    stage.passes(2_000);
    expect(stage.status('node-2')).toBe('dead');
  });
});

describe('isNews', () => {
  const cases: readonly [string, SignedClaim, boolean][] = [
    ['a stranger’s alive', claims.alive('node-9'), true],
    ['a stranger’s death', claims.dead('node-9', ['node-2', 'node-3']), false],
    ['an alive that is known', claims.alive('node-2'), false],
    ['a newer alive', claims.alive('node-2', 1, 2), true],
    ['an older alive', claims.alive('node-2', 0, 9), false],
    ['a first accusation', claims.suspect('node-2', 'node-4'), true],
    ['a standing accusation again', claims.suspect('node-3', 'node-4'), false],
    ['a certificate with one new accuser', claims.dead('node-3', ['node-2', 'node-4']), true],
    ['an accusation of an incarnation never signed', claims.suspect('node-2', 'node-4', 1, 7), false],
    ['an accusation of oneself', claims.suspect('node-1', 'node-4'), true],
    [
      'an old accusation of oneself, which asks for the refutation again',
      claims.suspect('node-1', 'node-4', 1, 0),
      true,
    ],
    ['this node’s own accusation, repeated by others', claims.suspect('node-2', 'node-1'), false],
    ['a leave', claims.leave('node-2'), true],
    ['oneself in a later boot', claims.alive('node-1', 2, 1), true],
    ['oneself in an earlier boot', claims.alive('node-1', 0, 9), false],
  ];
  test.each(cases)('%s', (_name, claim, news) => {
    const stage = new Stage(['node-2', 'node-3', 'node-4']);
    stage.hears('node-4', claims.suspect('node-3', 'node-4'));
    expect(isNews(stage.state, unverified(claim))).toBe(news);
  });

  test.each(cases)('never calls old what would change the state: %s', (_name, claim) => {
    const stage = new Stage(['node-2', 'node-3', 'node-4']);
    stage.hears('node-4', claims.suspect('node-3', 'node-4'));
    if (isNews(stage.state, unverified(claim))) return;
    const effects = stage.hears('node-88', claim);
    expect(effects.filter(({ type }) => type !== 'schedule')).toEqual([]);
  });
});
