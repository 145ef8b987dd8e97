import { describe, expect, test } from 'vitest';
import { memberOf } from '../../../src/protocols/swim/swim.ts';
import { claims, id, named, type Sent, Stage } from './stage.ts';

const seqOf = (sent: Sent | undefined): number => (sent && 'seq' in sent.packet ? sent.packet.seq : 0);

/** Starts a probe of node-2 outside the round and returns its number: its link is lost, and there again at once. */
function probing(stage: Stage): number {
  stage.input({ type: 'link.lost', peer: id('node-2'), now: stage.now });
  stage.state.roster.records.get(id('node-2'))!.linkLost = false;
  return seqOf(stage.takeSent('ping')[0]);
}

describe('a probe', () => {
  test('goes to everybody once in a round', () => {
    const stage = new Stage(['node-2', 'node-3', 'node-4', 'node-5']);
    stage.start();
    stage.passes(499);
    const targets: string[] = [];
    for (let round = 0; round < 4; round++) {
      const [ping] = stage.takeSent('ping');
      targets.push(ping!.to);
      stage.receives(ping!.to, { kind: 'ack', seq: seqOf(ping), claims: [] });
      stage.passes(500);
    }
    expect(targets.sort()).toEqual(['node-2', 'node-3', 'node-4', 'node-5']);
  });

  test('that is acked ends without suspicion', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.receives('node-2', { kind: 'ack', seq: probing(stage), claims: [] });
    stage.passes(10_000);
    expect(stage.status('node-2')).toBe('alive');
    expect(stage.takeSent('ping-req')).toEqual([]);
  });

  test('that is acked wakes nobody for its time-out', () => {
    const stage = new Stage(['node-2', 'node-3']);
    const seq = probing(stage);
    const cancelled = () => stage.effects.filter(({ type }) => type === 'cancel');
    expect(cancelled()).toEqual([]);
    stage.receives('node-2', { kind: 'ack', seq, claims: [] });
    expect(cancelled()).toEqual([{ type: 'cancel', timer: { type: 'probe.timeout', seq } }]);
  });

  test('that is late goes to others as well, and an ack through one of them is enough', () => {
    const stage = new Stage(['node-2', 'node-3', 'node-4']);
    const seq = probing(stage);
    stage.passes(200);
    const asked = stage.takeSent('ping-req');
    expect(asked.map(({ to }) => to).sort()).toEqual(['node-3', 'node-4']);
    expect(asked[0]?.packet).toMatchObject({ seq, target: 'node-2' });
    stage.receives('node-3', { kind: 'ack', seq, claims: [] });
    stage.passes(300);
    expect(stage.status('node-2')).toBe('alive');
  });

  test('is not ended by an ack from somebody who was not asked', () => {
    const stage = new Stage(['node-2', 'node-3', 'node-4']);
    const seq = probing(stage);
    stage.receives('node-3', { kind: 'ack', seq, claims: [] });
    stage.passes(500);
    expect(stage.status('node-2')).toBe('suspect');
  });

  test('is not ended by an ack with another number', () => {
    const stage = new Stage(['node-2', 'node-3']);
    const seq = probing(stage);
    stage.receives('node-3', { kind: 'ack', seq: seq + 1, claims: [] });
    stage.passes(500);
    expect(stage.status('node-2')).toBe('suspect');
  });

  test('makes no suspicion when the target spoke in any other way', () => {
    const stage = new Stage(['node-2', 'node-3']);
    probing(stage);
    stage.passes(100);
    stage.receives('node-2', { kind: 'gossip', claims: [] });
    stage.passes(400);
    expect(stage.status('node-2')).toBe('alive');
  });

  test('after a lost link is repeated when all that came was still under way', () => {
    const stage = new Stage(['node-2', 'node-3']);
    probing(stage);
    stage.receives('node-2', { kind: 'gossip', claims: [] });
    stage.passes(500);
    expect(stage.takeSent('ping').map(({ to }) => to)).toEqual(['node-2']);
    stage.passes(500);
    expect(stage.status('node-2')).toBe('suspect');
  });

  test('of an earlier boot accuses nobody', () => {
    const stage = new Stage(['node-2', 'node-3']);
    probing(stage);
    stage.hears('node-3', claims.alive('node-2', 2));
    stage.passes(500);
    expect(stage.status('node-2')).toBe('alive');
  });
});

describe('awareness', () => {
  test('rises by the nacks that did not come, and slows probes down', () => {
    const stage = new Stage(['node-2', 'node-3', 'node-4']);
    const seq = probing(stage);
    stage.passes(200);
    stage.receives('node-3', { kind: 'nack', seq, claims: [] });
    stage.passes(300);
    expect(stage.state.awareness.score).toBe(1);
    const slow = probing(stage);
    stage.passes(399);
    expect(stage.takeSent('ping-req').filter(({ packet }) => seqOf({ packet } as Sent) === slow)).toEqual([]);
    stage.passes(1);
    expect(stage.takeSent('ping-req').length).toBeGreaterThan(0);
  });

  test('stays when every middleman reported back', () => {
    const stage = new Stage(['node-2', 'node-3', 'node-4']);
    const seq = probing(stage);
    stage.passes(200);
    for (const middleman of ['node-3', 'node-4']) stage.receives(middleman, { kind: 'nack', seq, claims: [] });
    stage.passes(300);
    expect(stage.state.awareness.score).toBe(0);
  });

  test('falls with each ack', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.state.awareness.score = 2;
    stage.receives('node-2', { kind: 'ack', seq: probing(stage), claims: [] });
    expect(stage.state.awareness.score).toBe(1);
  });
});

describe('a middleman’s word that the target answers', () => {
  /** node-2 does not answer; what the middlemen say, in order. */
  const heard = (stage: Stage, words: Readonly<Record<string, 'ack' | 'nack'>>) => {
    stage.takeSent();
    const seq = probing(stage);
    stage.passes(200);
    for (const [node, kind] of Object.entries(words)) stage.receives(node, { kind, seq, claims: [] });
    stage.passes(300);
    return stage.status('node-2');
  };
  const three = () => new Stage(['node-2', 'node-3', 'node-4', 'node-5']);

  test('is enough when nobody contradicts, and when others do who are not more', () => {
    expect(heard(three(), { 'node-3': 'ack' })).toBe('alive');
    expect(heard(three(), { 'node-3': 'ack', 'node-4': 'nack' })).toBe('alive');
    expect(heard(three(), { 'node-3': 'nack', 'node-4': 'ack', 'node-5': 'ack' })).toBe('alive');
  });

  test('is the later one of two', () => {
    const stage = three();
    const seq = probing(stage);
    stage.passes(200);
    for (const node of ['node-3', 'node-4', 'node-5']) stage.receives(node, { kind: 'nack', seq, claims: [] });
    for (const node of ['node-3', 'node-4']) stage.receives(node, { kind: 'ack', seq, claims: [] });
    stage.passes(300);
    expect(stage.status('node-2')).toBe('alive');
  });

  test('counts once when it is outvoted, and again only when the target was heard itself: a liar hides no death', () => {
    const stage = three();
    const lies = { 'node-3': 'ack', 'node-4': 'nack', 'node-5': 'nack' } as const;
    expect(heard(stage, lies)).toBe('alive');
    stage.receives('node-2', { kind: 'gossip', claims: [] });
    expect(heard(stage, lies)).toBe('alive');
    expect(heard(stage, lies)).toBe('suspect');
  });
});

describe('asked to probe for another', () => {
  const asked = (stage: Stage) => {
    stage.receives('node-3', { kind: 'ping-req', seq: 77, target: id('node-2'), claims: [] });
    return seqOf(stage.takeSent('ping')[0]);
  };

  test('a member passes the ack on, with the number of whoever asked', () => {
    const stage = new Stage(['node-2', 'node-3']);
    const seq = asked(stage);
    stage.receives('node-2', { kind: 'ack', seq, claims: [] });
    expect(stage.takeSent('ack')).toMatchObject([{ to: 'node-3', packet: { seq: 77 } }]);
  });

  test('it sends a nack at four fifths of the timeout, and still an ack if one comes later', () => {
    const stage = new Stage(['node-2', 'node-3']);
    const seq = asked(stage);
    stage.passes(159);
    expect(stage.takeSent('nack')).toEqual([]);
    stage.passes(1);
    expect(stage.takeSent('nack')).toMatchObject([{ to: 'node-3', packet: { seq: 77 } }]);
    stage.receives('node-2', { kind: 'ack', seq, claims: [] });
    expect(stage.takeSent('ack')).toMatchObject([{ to: 'node-3', packet: { seq: 77 } }]);
  });

  test('it does not accuse a member that nobody suspects', () => {
    const stage = new Stage(['node-2', 'node-3']);
    asked(stage);
    stage.passes(1_000);
    expect(stage.status('node-2')).toBe('alive');
    expect(stage.state.awareness.score).toBe(0);
  });

  test('as a witness it tries twice, asks nobody else, and signs its own suspicion if it fails', () => {
    const stage = new Stage(['node-2', 'node-3', 'node-4', 'node-5']);
    const suspicion = claims.suspect('node-2', 'node-3');
    stage.receives('node-3', { kind: 'ping-req', seq: 77, target: id('node-2'), claims: [suspicion] });
    stage.passes(499);
    const sent = stage.takeSent();
    expect(sent.filter(({ packet }) => packet.kind === 'ping').map(({ to }) => to)).toEqual(['node-2', 'node-2']);
    expect(sent.filter(({ packet }) => packet.kind === 'ping-req')).toEqual([]);
    stage.passes(1);
    expect(memberOf(stage.state, id('node-2'))?.accusers).toEqual(['node-1', 'node-3']);
    expect(stage.state.awareness.score).toBe(0);
  });

  test('about itself it says that it is there, about a stranger that it cannot tell', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.receives('node-3', { kind: 'ping-req', seq: 5, target: id('node-1'), claims: [] });
    stage.receives('node-3', { kind: 'ping-req', seq: 6, target: id('node-66'), claims: [] });
    expect(stage.takeSent().map(({ packet }) => packet)).toMatchObject([
      { kind: 'ack', seq: 5 },
      { kind: 'nack', seq: 6 },
    ]);
  });

  test('more often than an honest member would, it ignores the rest until the next probe interval', () => {
    const stage = new Stage(['node-2', 'node-3', 'node-4']);
    stage.start();
    const ask = (node: string) => {
      for (let seq = 1; seq <= 1_100; seq++)
        stage.receives(node, { kind: 'ping-req', seq, target: id('node-2'), claims: [] });
      return stage.takeSent('ping').length;
    };
    expect([ask('node-3'), ask('node-3'), ask('node-4')]).toEqual([32, 0, 32]);
    stage.passes(500);
    stage.takeSent();
    expect(ask('node-3')).toBe(32);
  });
});

describe('a ping', () => {
  test('is answered to its authenticated sender, at the address that the sender signed', () => {
    const stage = new Stage(['node-2']);
    stage.hears('node-2', claims.alive('node-2', 1, 2, { addresses: [{ host: '::1', port: 9_000 }] }));
    stage.takeSent();
    stage.receives('node-2', { kind: 'ping', seq: 9, target: id('node-1'), claims: [] });
    expect(stage.takeSent()).toMatchObject([
      { to: 'node-2', address: { host: '::1', port: 9_000 }, packet: { kind: 'ack', seq: 9 } },
    ]);
  });

  test('meant for another member is not answered', () => {
    const stage = new Stage(['node-2']);
    stage.receives('node-2', { kind: 'ping', seq: 9, target: id('node-3'), claims: [] });
    expect(stage.takeSent()).toEqual([]);
  });

  test('to a suspected member carries the suspicion, so that it can refute', () => {
    const stage = new Stage(['node-2', 'node-3']);
    stage.hears('node-3', claims.suspect('node-2', 'node-3'));
    stage.state.broadcasts.tiers.length = 0;
    stage.takeSent();
    stage.input({ type: 'link.lost', peer: id('node-2'), now: stage.now });
    const [ping] = stage.takeSent('ping');
    expect(named(ping!.packet.claims)).toEqual(['suspect node-2']);
  });
});

describe('a dead member', () => {
  const pingsIn = (stage: Stage, durationMs: number): Sent[] => {
    stage.takeSent();
    stage.passes(durationMs);
    return stage.takeSent('ping').filter(({ to }) => to === 'node-2');
  };
  const withDead = () => {
    const stage = new Stage(['node-2', 'node-3', 'node-4']);
    stage.start();
    stage.hears('node-3', claims.dead('node-2', ['node-3', 'node-4']));
    return stage;
  };

  test('is contacted again, and comes back when it answers', () => {
    const stage = withDead();
    expect(pingsIn(stage, 4_500)).toEqual([]);
    const [ping] = pingsIn(stage, 5_000);
    expect(stage.status('node-2')).toBe('dead');
    stage.receives('node-2', { kind: 'ack', seq: seqOf(ping), claims: [] });
    expect(stage.status('node-2')).toBe('alive');
  });

  test('is contacted less and less often, and never not at all', () => {
    const stage = withDead();
    const perHour = [1, 2, 3].map(() => pingsIn(stage, 3_600_000).length);
    expect(perHour[0]).toBeGreaterThan(perHour[1]!);
    const { probeIntervalMs, deadProbeIntervalMaxMs, awarenessMax } = stage.state.options.config;
    const leastOften = 3_600_000 / (deadProbeIntervalMaxMs + (awarenessMax + 1) * probeIntervalMs);
    for (const count of perHour) expect(count).toBeGreaterThanOrEqual(Math.floor(leastOften));
  });
});
