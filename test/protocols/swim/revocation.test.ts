import { describe, expect, it } from 'vitest';
import type { NodeId } from '../../../src/names.ts';
import { rosterSize } from '../../../src/protocols/swim/roster.ts';
import { certificateSize } from '../../../src/protocols/swim/suspicion.ts';
import { isNews, memberOf, pushPull } from '../../../src/protocols/swim/swim.ts';
import { claims, id, Stage } from './stage.ts';

const revoke = (stage: Stage, ...nodes: string[]) =>
  stage.input({ type: 'revoked', nodes: nodes.map(id), now: stage.now });
const statusOf = (stage: Stage, node: string) => memberOf(stage.state, id(node))?.status;
const aboutOf = (stage: Stage, node: string) =>
  pushPull(stage.state).filter(({ claim }) => claim.node === (node as NodeId));

describe('a member that is revoked', () => {
  it('is out: not counted, not told of, and the number that certifies a death shrinks with it', () => {
    const stage = new Stage(['a', 'b', 'c', 'd']);
    expect([rosterSize(stage.state.roster), certificateSize(rosterSize(stage.state.roster))]).toEqual([5, 3]);
    expect(revoke(stage, 'a')).toMatchObject([{ type: 'member.changed', member: { nodeId: 'a', status: 'revoked' } }]);
    expect([rosterSize(stage.state.roster), certificateSize(rosterSize(stage.state.roster))]).toEqual([4, 2]);
    expect([statusOf(stage, 'a'), aboutOf(stage, 'a')]).toEqual(['revoked', []]);
    expect(revoke(stage, 'a')).toEqual([]);
  });

  it('is not believed any more, neither of itself nor by others', () => {
    const stage = new Stage(['a', 'b', 'c']);
    revoke(stage, 'a', 'z');
    const again = claims.alive('a', 9);
    expect(isNews(stage.state, { unverified: again })).toBe(false);
    expect([stage.hears('b', again), stage.hears('a', claims.alive('y')), stage.hears('b', claims.alive('z'))]).toEqual(
      [[], [], []],
    );
    expect([statusOf(stage, 'a'), statusOf(stage, 'y'), statusOf(stage, 'z')]).toEqual([
      'revoked',
      undefined,
      undefined,
    ]);
    expect(stage.input({ type: 'link.ready', peer: id('a'), bootEpoch: 10, now: stage.now })).toEqual([]);
    expect(stage.input({ type: 'directory.missing', from: id('a'), node: id('q'), now: stage.now })).toEqual([]);
    expect(stage.hears('b', claims.leave('a'))).toEqual([]);
  });

  it('accuses nobody: what it has signed is taken back, and counts for nothing when it comes again', () => {
    const stage = new Stage(['a', 'b', 'c', 'd']);
    stage.now = 10_000;
    stage.hears('b', claims.suspect('c', 'a'));
    expect(statusOf(stage, 'c')).toBe('suspect');
    revoke(stage, 'a');
    expect(statusOf(stage, 'c')).toBe('alive');
    expect(isNews(stage.state, { unverified: claims.suspect('c', 'a') })).toBe(false);
    stage.hears('b', claims.suspect('c', 'a'), claims.dead('c', ['a', 'b', 'd']));
    expect([statusOf(stage, 'c'), memberOf(stage.state, id('c'))?.accusers]).toEqual(['alive', []]);
    stage.hears('b', claims.dead('c', ['b', 'd']));
    expect(statusOf(stage, 'c')).toBe('dead');
  });

  it('leaves the dead dead, with a certificate of the signatures that still count', () => {
    const stage = new Stage(['a', 'b', 'c', 'd']);
    stage.now = 10_000;
    stage.hears('b', claims.dead('c', ['a', 'b', 'd']));
    expect(statusOf(stage, 'c')).toBe('dead');
    revoke(stage, 'a');
    expect(statusOf(stage, 'c')).toBe('dead');
    expect(
      aboutOf(stage, 'c')
        .at(-1)
        ?.signatures.map(({ signer }) => signer),
    ).toEqual(['b', 'd']);
  });

  it('does not make this node refute what only revoked ones say of it', () => {
    const stage = new Stage(['a', 'b']);
    revoke(stage, 'a');
    const { incarnation } = stage.state.self;
    stage.hears('b', claims.suspect('node-1', 'a'));
    expect(stage.state.self.incarnation).toBe(incarnation);
  });
});
