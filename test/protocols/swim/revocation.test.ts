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

describe('a member that is revoked no more, since it was only suspended', () => {
  it('is what it was before: counted, told of and heard, or still dead, or still gone', () => {
    const stage = new Stage(['a', 'b', 'c', 'd', 'e']);
    stage.now = 10_000;
    stage.hears('e', claims.dead('c', ['b', 'd', 'e']), claims.leave('d'));
    expect(['a', 'c', 'd'].map((node) => statusOf(stage, node))).toEqual(['alive', 'dead', 'left']);
    const size = rosterSize(stage.state.roster);
    revoke(stage, 'a', 'c', 'd');
    expect(stage.hears('a', claims.alive('a', 5))).toEqual([]);
    const changes = revoke(stage, 'c').filter(({ type }) => type === 'member.changed');
    expect(changes).toMatchObject([
      { type: 'member.changed', member: { nodeId: 'a', status: 'alive' } },
      { type: 'member.changed', member: { nodeId: 'd', status: 'left' } },
    ]);
    revoke(stage);
    expect(['a', 'c', 'd'].map((node) => statusOf(stage, node))).toEqual(['alive', 'dead', 'left']);
    expect(rosterSize(stage.state.roster)).toBe(size);
    expect(aboutOf(stage, 'a')).not.toEqual([]);
    expect(isNews(stage.state, { unverified: claims.alive('a', 9) })).toBe(true);
  });

  it('accuses again, and what it said while it was out is not remembered', () => {
    const stage = new Stage(['a', 'b', 'c', 'd']);
    stage.now = 10_000;
    revoke(stage, 'a');
    stage.hears('b', claims.suspect('c', 'a'));
    revoke(stage);
    expect(statusOf(stage, 'c')).toBe('alive');
    stage.hears('b', claims.suspect('c', 'a'));
    expect(statusOf(stage, 'c')).toBe('suspect');
  });
});
