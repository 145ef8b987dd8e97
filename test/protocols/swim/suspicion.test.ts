import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { swimProfiles } from '../../../src/protocols/swim/config.ts';
import { certificateSize, suspicionTimeoutMs } from '../../../src/protocols/swim/suspicion.ts';
import { memberOf } from '../../../src/protocols/swim/swim.ts';
import { claims, id, named, Stage } from './stage.ts';

const { local, lan } = swimProfiles;

describe('suspicionTimeoutMs', () => {
  test.each([
    ['too few to confirm: the shortest at once', local, 3, 0, 2_000],
    ['nobody confirms: the longest', local, 4, 0, 12_000],
    ['one of two confirms', local, 4, 1, 12_000 - 10_000 * (Math.log(2) / Math.log(3))],
    ['all confirm: the shortest', local, 4, 2, 2_000],
    ['more than needed confirm: still the shortest', local, 10, 7, 2_000],
    ['it grows with the logarithm of the cluster', lan, 1_000, 2, 6_000],
  ])('%s', (_name, config, size, confirmations, expected) => {
    expect(suspicionTimeoutMs(config, size, confirmations)).toBeCloseTo(expected, 6);
  });
});

test.each([
  [1, Number.POSITIVE_INFINITY],
  [2, Number.POSITIVE_INFINITY],
  [3, 2],
  [4, 2],
  [5, 3],
  [100, 3],
])('among %i members a death needs %d accusers', (size, accusers) => {
  expect(certificateSize(size)).toBe(accusers);
});

describe('an accused member', () => {
  test('is suspect, then unreachable when only this node failed to reach it', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.failsToReach('node-2');
    expect(stage.status('node-2')).toBe('suspect');
    stage.passes(1_999);
    expect(stage.status('node-2')).toBe('suspect');
    stage.passes(1);
    expect(stage.status('node-2')).toBe('unreachable');
  });

  test('is dead once enough have signed and its time is over, and the certificate is gossiped', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.failsToReach('node-2');
    stage.hears('node-3', claims.suspect('node-2', 'node-3'));
    expect(stage.status('node-2')).toBe('suspect');
    stage.takeSent();
    stage.passes(1_500);
    expect(stage.status('node-2')).toBe('dead');
    const gossiped = stage.takeSent().flatMap(({ packet }) => named(packet.claims));
    expect(gossiped).toContain('dead node-2');
  });

  test('gets only the floor when the link was lost and enough have signed', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.failsToReach('node-2');
    stage.hears('node-3', claims.suspect('node-2', 'node-3'));
    stage.passes(999);
    expect(stage.status('node-2')).toBe('suspect');
    stage.passes(1);
    expect(stage.status('node-2')).toBe('dead');
  });

  test('keeps its full time while the link stands', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.hears('node-3', claims.suspect('node-2', 'node-3'));
    expect(stage.status('node-2')).toBe('suspect');
    stage.passes(1_900);
    expect(stage.status('node-2')).toBe('suspect');
  });

  test('that this node never failed to reach is probed before any verdict', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.hears('node-3', claims.suspect('node-2', 'node-3'));
    stage.takeSent();
    stage.passes(2_000);
    expect(stage.status('node-2')).toBe('suspect');
    expect(stage.takeSent('ping').map(({ to }) => to)).toContain('node-2');
    stage.passes(500);
    // Now its own signature makes two.
    stage.passes(2_000);
    expect(stage.status('node-2')).toBe('dead');
  });

  test('of two is never certified dead, whoever signs', () => {
    const stage = new Stage(['node-2']);
    stage.hears('node-2', claims.dead('node-2', ['node-7', 'node-8', 'node-9']));
    stage.failsToReach('node-2');
    stage.passes(60_000);
    expect(stage.status('node-2')).toBe('unreachable');
  });

  test('that is already unreachable is dead as soon as enough have signed', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.failsToReach('node-2');
    stage.passes(2_000);
    expect(stage.status('node-2')).toBe('unreachable');
    stage.hears('node-3', claims.suspect('node-2', 'node-3'));
    expect(stage.status('node-2')).toBe('dead');
  });
});

test('a suspicion whose timer came too early is not left without one', () => {
  const stage = new Stage(['node-2', 'node-3']);
  stage.failsToReach('node-2');
  const { round } = stage.state.roster.records.get(id('node-2'))!.suspicion!;
  const timer = { type: 'suspicion', node: id('node-2'), round } as const;
  const effects = stage.input({ type: 'timer', timer, now: stage.now + 100 });
  expect(effects).toEqual([{ type: 'schedule', timer, delayMs: 1_900 }]);
});

describe('an accusation does not count', () => {
  const cases: readonly [string, ReturnType<typeof claims.suspect>][] = [
    ['when the accused has never signed that incarnation', claims.suspect('node-2', 'node-3', 1, 2)],
    ['when the accused has never signed that epoch', claims.suspect('node-2', 'node-3', 2, 1)],
    ['when the accused has refuted it already', claims.suspect('node-2', 'node-3', 1, 0)],
    ['when the accuser is no member', claims.suspect('node-2', 'node-77')],
    ['when the accused is a stranger', claims.suspect('node-77', 'node-3')],
  ];
  test.each(cases)('%s', (_name, suspicion) => {
    const stage = new Stage(['node-2', 'node-3', 'node-4']);
    stage.hears('node-4', suspicion);
    expect(stage.status('node-2')).toBe('alive');
    expect(stage.state.broadcasts.bySubject.get(id('node-2'))?.length).toBe(1);
  });

  test('when the accuser has left', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.hears('node-3', claims.leave('node-3'));
    stage.hears('node-9', claims.suspect('node-2', 'node-3'));
    expect(stage.status('node-2')).toBe('alive');
  });

  test('when the accused was heard after it', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.hears('node-3', claims.suspect('node-2', 'node-3'));
    stage.input({ type: 'link.ready', peer: id('node-2'), now: stage.now });
    expect(stage.status('node-2')).toBe('alive');
    expect(stage.state.broadcasts.bySubject.get(id('node-2'))?.map(({ claim }) => claim.claim.kind)).toEqual(['alive']);
  });

  test('when it is this node’s own, disproved meanwhile and repeated by others', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.failsToReach('node-2');
    stage.input({ type: 'link.ready', peer: id('node-2'), now: stage.now });
    stage.now += 5_000;
    stage.hears('node-3', claims.suspect('node-2', 'node-1'));
    expect(stage.status('node-2')).toBe('alive');
  });

  test('when it is an echo of one that traffic has just disproved; later it counts again', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.hears('node-3', claims.suspect('node-2', 'node-3'));
    stage.input({ type: 'link.ready', peer: id('node-2'), now: stage.now });
    stage.hears('node-3', claims.suspect('node-2', 'node-3'));
    expect(stage.status('node-2')).toBe('alive');
    stage.now += 500;
    stage.hears('node-3', claims.suspect('node-2', 'node-3'));
    expect(stage.status('node-2')).toBe('suspect');
  });
});

describe('a death certificate', () => {
  const five = ['node-2', 'node-3', 'node-4', 'node-5'];

  test('with enough accusers is believed at once and passed on', () => {
    const stage = new Stage(five);
    stage.hears('node-3', claims.dead('node-2', ['node-3', 'node-4', 'node-5']));
    expect(stage.status('node-2')).toBe('dead');
    expect(memberOf(stage.state, id('node-2'))?.accusers).toEqual(['node-3', 'node-4', 'node-5']);
  });

  test('with too few accusers counts as that many suspicions', () => {
    const stage = new Stage(five);
    stage.hears('node-3', claims.dead('node-2', ['node-3', 'node-4']));
    expect(memberOf(stage.state, id('node-2'))).toMatchObject({ status: 'suspect', accusers: ['node-3', 'node-4'] });
  });

  test('about a member heard lately leaves it time to refute, unless its link broke', () => {
    const stage = new Stage(five);
    stage.receives('node-2', { kind: 'gossip', claims: [] });
    stage.now = 1;
    stage.hears('node-3', claims.dead('node-2', ['node-3', 'node-4', 'node-5']));
    expect(stage.status('node-2')).toBe('suspect');
    stage.passes(2_000);
    expect(stage.status('node-2')).toBe('dead');

    const broken = new Stage(five);
    broken.receives('node-2', { kind: 'gossip', claims: [] });
    broken.input({ type: 'link.lost', peer: id('node-2'), now: 0 });
    broken.hears('node-3', claims.dead('node-2', ['node-3', 'node-4', 'node-5']));
    expect(broken.status('node-2')).toBe('dead');
  });

  test('signed by strangers, or by one member many times over, kills nobody', () => {
    const stage = new Stage(five);
    stage.hears('node-3', claims.dead('node-2', ['node-3', 'node-77', 'node-78']));
    stage.hears('node-3', claims.suspect('node-2', 'node-3'));
    expect(memberOf(stage.state, id('node-2'))).toMatchObject({ status: 'suspect', accusers: ['node-3'] });
  });
});

test('a table of accusers that is full keeps out others but never this node’s own finding', () => {
  const others = Array.from({ length: 12 }, (_, index) => `node-${index + 2}`);
  const stage = new Stage(others);
  for (const accuser of others.slice(1, 11)) stage.hears('node-13', claims.suspect('node-2', accuser));
  expect(memberOf(stage.state, id('node-2'))?.accusers).toHaveLength(limits.suspicionsMax);
  stage.failsToReach('node-2');
  expect(memberOf(stage.state, id('node-2'))?.accusers).toContain('node-1');
  expect(memberOf(stage.state, id('node-2'))?.accusers).toHaveLength(limits.suspicionsMax);
});

test('an accuser asks k+1 members to probe too, and shows them its suspicion', () => {
  const stage = new Stage(['node-2', 'node-3', 'node-4', 'node-5', 'node-6', 'node-7', 'node-8']);
  stage.input({ type: 'link.lost', peer: id('node-2'), now: 0 });
  stage.passes(199);
  stage.takeSent();
  stage.passes(1);
  const asked = stage.takeSent('ping-req');
  expect(asked).toHaveLength(4);
  expect(new Set(asked.map(({ to }) => to)).size).toBe(4);
  for (const { packet } of asked) {
    expect(packet).toMatchObject({ target: 'node-2' });
    expect(named(packet.claims)).toContain('suspect node-2');
  }
});

test('an accuser asks nobody once enough have signed', () => {
  const stage = new Stage(['node-2', 'node-3', 'node-4', 'node-5']);
  stage.hears('node-3', claims.dead('node-2', ['node-3', 'node-4']));
  stage.input({ type: 'link.lost', peer: id('node-2'), now: 0 });
  stage.passes(199);
  stage.takeSent();
  stage.passes(1);
  expect(memberOf(stage.state, id('node-2'))?.accusers).toContain('node-1');
  expect(stage.takeSent('ping-req')).toEqual([]);
});
