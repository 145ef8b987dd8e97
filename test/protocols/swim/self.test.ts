import { describe, expect, test } from 'vitest';
import { counterMax } from '../../../src/protocols/swim/claim.ts';
import { members, ownAlive } from '../../../src/protocols/swim/swim.ts';
import { verifyClaim } from '../../../src/protocols/swim/verification.ts';
import { unverified } from '../../../src/unverified.ts';
import { fakeAuthority } from '../../simulate/fake-claims.ts';
import { claims, id, named, Stage } from './stage.ts';

test('a member’s own alive claim is signed and first in its list', () => {
  const stage = new Stage([], { epoch: 5 });
  expect(verifyClaim(unverified(ownAlive(stage.state)), fakeAuthority).ok).toBe(true);
  expect(members(stage.state)).toMatchObject([{ nodeId: 'node-1', self: true, status: 'alive', bootEpoch: 5 }]);
});

describe('an accused member', () => {
  test('refutes at once with a higher incarnation, and looks at its own health', () => {
    const stage = new Stage(['node-2']);
    const suspicion = claims.suspect('node-1', 'node-2');
    stage.receives('node-2', { kind: 'ping', seq: 3, target: id('node-1'), claims: [suspicion] });
    const [ack] = stage.takeSent('ack');
    expect(named(ack!.packet.claims)).toContain('alive node-1');
    expect(ownAlive(stage.state).claim).toMatchObject({ epoch: 1, incarnation: 2 });
    expect(stage.state.awareness.score).toBe(1);
  });

  test('takes the blame from each accuser once in a while, however often that accuses', () => {
    const stage = new Stage(['node-2', 'node-3']);
    const accused = (by: string) => {
      stage.hears('node-2', claims.suspect('node-1', by, 1, ownAlive(stage.state).claim.incarnation));
      return stage.state.awareness.score;
    };
    expect([accused('node-2'), accused('node-2'), accused('node-3'), accused('node-2')]).toEqual([1, 1, 2, 2]);
    expect(ownAlive(stage.state).claim.incarnation).toBe(5);
    stage.passes(60_000);
    stage.state.awareness.score = 0;
    expect(accused('node-2')).toBe(1);
  });

  test('refutes a death certificate too', () => {
    const stage = new Stage(['node-2', 'node-3', 'node-4']);
    stage.hears('node-2', claims.dead('node-1', ['node-2', 'node-3']));
    expect(ownAlive(stage.state).claim.incarnation).toBe(2);
  });

  test.each([
    ['an earlier incarnation', 1, 0],
    ['a later incarnation than it ever signed', 1, 2],
    ['a highest incarnation made up to silence it', 1, counterMax],
    ['another boot', 2, 1],
  ])('ignores a suspicion of %s', (_name, epoch, incarnation) => {
    const stage = new Stage(['node-2']);
    stage.hears('node-2', claims.suspect('node-1', 'node-2', epoch, incarnation));
    expect(ownAlive(stage.state).claim.incarnation).toBe(1);
  });

  test('repeats its refutation to whoever has missed it', () => {
    const stage = new Stage(['node-2']);
    stage.hears('node-2', claims.suspect('node-1', 'node-2'));
    stage.passes(5_000);
    stage.takeSent();
    const suspicion = claims.suspect('node-1', 'node-2');
    stage.receives('node-2', { kind: 'ping', seq: 3, target: id('node-1'), claims: [suspicion] });
    expect(named(stage.takeSent('ack')[0]!.packet.claims)).toEqual(['alive node-1']);
    expect(ownAlive(stage.state).claim.incarnation).toBe(2);
  });

  test('never wraps its incarnation: at the maximum it asks for a new boot', () => {
    const stage = new Stage(['node-2']);
    stage.state.self.incarnation = counterMax;
    const effects = stage.hears('node-2', claims.suspect('node-1', 'node-2', 1, counterMax));
    expect(effects).toContainEqual({ type: 'epoch-stale', known: 1 });
    expect(stage.state.self.incarnation).toBe(counterMax);
  });
});

describe('claims of an earlier boot that outrank this one', () => {
  test.each([
    ['a higher epoch', claims.alive('node-1', 7, 1), 7],
    ['a leave with a higher epoch', claims.leave('node-1', 4, 1), 4],
    ['the same epoch, used twice', claims.alive('node-1', 1, 9), 1],
    ['the same counters with another key', claims.alive('node-1', 1, 1, { boxKey: new Uint8Array(32).fill(9) }), 1],
    ['a leave that this boot never signed', claims.leave('node-1', 1, 1), 1],
  ])('are reported: %s', (_name, claim, known) => {
    const stage = new Stage(['node-2']);
    expect(stage.hears('node-2', claim)).toContainEqual({ type: 'epoch-stale', known });
    expect(stage.hears('node-2', claim).filter(({ type }) => type === 'epoch-stale')).toEqual([]);
  });

  test('an echo of our own claim is not one', () => {
    const stage = new Stage(['node-2']);
    const effects = stage.hears('node-2', ownAlive(stage.state), claims.alive('node-1', 0, 99));
    expect(effects.filter(({ type }) => type === 'epoch-stale')).toEqual([]);
  });
});
