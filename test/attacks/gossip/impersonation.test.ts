import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import type { NodeId } from '../../../src/names.ts';
import { counterMax, type SignedClaim, type SuspectClaim, signAlive } from '../../../src/protocols/swim/claim.ts';
import { type AttackedCluster, attackedCluster } from './attacked-cluster.ts';

let attacked: AttackedCluster;
beforeAll(async () => {
  attacked = await attackedCluster();
});
afterAll(() => attacked?.close());

const sum = (counts: readonly number[]): number => counts.reduce((total, one) => total + one, 0);
const total = (metric: string, code?: string): number =>
  sum(attacked.cluster.running.map((node) => attacked.count(node, metric, code)));

/** An alive claim about the victim that mallory has signed, with another counter, key or address. */
const forged = (over: { epoch?: number; incarnation?: number } = {}): SignedClaim => {
  const { insider, victim } = attacked;
  const { claim } = insider.aliveOf(victim);
  const addresses = [{ host: '127.0.0.1', port: 6_666 }];
  return signAlive({ ...claim, boxKey: insider.boxKey, addresses, ...over }, insider.sign, utf8);
};

const newerCounters = () => {
  const { epoch, incarnation } = attacked.insider.aliveOf(attacked.victim).claim;
  return [
    { incarnation: incarnation + 1 },
    { incarnation: counterMax },
    { epoch: epoch + 1, incarnation: 0 },
    { epoch: counterMax },
    { epoch: counterMax, incarnation: counterMax },
  ];
};

describe('an insider cannot take the name of another', () => {
  let standing = '';
  beforeAll(() => {
    standing = attacked.standing();
  });
  const unchanged = () => {
    expect(attacked.thoughtOf(attacked.victim)).toEqual([]);
    expect(attacked.standing()).toBe(standing);
  };

  it('with alive claims that are newer and carry its key and address: each is refused and counted', async () => {
    const { insider, honest, cluster } = attacked;
    const before = total('claims_refused', 'SIGNATURE_INVALID');
    for (const over of newerCounters()) for (const node of honest) insider.gossip(node, forged(over));
    await cluster.advance(5_000);
    expect(total('claims_refused', 'SIGNATURE_INVALID')).toBe(before + newerCounters().length * honest.length);
    unchanged();
  });

  it('nor over links, where it can bring certificates along', async () => {
    const { insider, honest, victim, cluster } = attacked;
    const real = insider.directory.get(victim)!;
    const own = insider.ownEntry();
    const flipped = Uint8Array.from(real.binding);
    flipped[flipped.length - 1]! ^= 1;
    const entries = [
      { ...own, nodeId: victim },
      { ...own, nodeId: victim, binding: real.binding },
      { ...real, binding: own.binding },
      { ...real, binding: flipped },
      { ...real, nodeId: 'nobody' as NodeId },
      { ...real, certificate: new Uint8Array(0) },
    ];
    const before = total('directory_refused');
    const claims = total('claims_refused', 'SIGNATURE_INVALID');
    for (const entry of entries)
      for (const node of honest)
        insider.document(node, { directory: [entry], claims: [forged({ epoch: counterMax })] });
    await cluster.advance(5_000);
    expect(total('directory_refused')).toBe(before + entries.length * honest.length);
    expect(total('claims_refused', 'SIGNATURE_INVALID')).toBe(claims + entries.length * honest.length);
    unchanged();
  });

  it('nor say hello as it', async () => {
    const { insider, victim, cluster, others } = attacked;
    const [node] = others as [NodeId];
    const before = attacked.count(node, 'links_refused');
    await insider.helloAs(node, victim);
    await cluster.until('the link is refused', () => attacked.count(node, 'links_refused') > before);
    const tail = await cluster.node(node).control.auditTail({ limit: 20 });
    const refused = (tail.ok ? tail.value : []) as readonly { type: string; reasons: readonly string[] }[];
    expect(refused.findLast(({ type }) => type === 'LinkRefused')?.reasons.join()).toMatch(/victim|mallory/);
    unchanged();
  });

  it('nor be heard in its place with its box key', async () => {
    const { insider, victim, honest, cluster } = attacked;
    const before = honest.map((node) => attacked.count(node, 'gossip_refused'));
    const { boxKey } = insider.aliveOf(victim).claim;
    for (const node of honest)
      insider.document(node, { claims: [insider.alive({ epoch: insider.epoch + 1, boxKey })] });
    await cluster.advance(5_000);
    // What the victim says is still its own word, and is still heard.
    expect(honest.map((node) => attacked.count(node, 'gossip_refused'))).toEqual(before);
    expect(attacked.thoughtOf(victim)).toEqual([]);
    insider.renewBox(insider.epoch + 2);
    for (const node of honest) insider.document(node);
    await cluster.until('mallory is itself again', () =>
      honest.every((node) => attacked.seen(node, insider.nodeId)?.status === 'alive'),
    );
    standing = attacked.standing();
  });
});

describe('an insider cannot close the replay window of another', () => {
  it('with any counter, in what it changes of that member’s datagrams', async () => {
    const { captured, victim, others, cluster, insider } = attacked;
    const [node] = others as [NodeId];
    const real = captured.filter(({ from, to }) => from === victim && to === node).slice(-20);
    const before = attacked.count(node, 'gossip_refused', 'SEAL_INVALID');
    for (const [at, { bytes }] of real.entries()) {
      const changed = Buffer.from(bytes);
      changed.writeBigUInt64BE(at % 2 === 0 ? (1n << 53n) - 1n : (1n << 64n) - 1n, 13);
      insider.raw(node, changed);
    }
    await cluster.advance(100);
    expect(attacked.count(node, 'gossip_refused', 'SEAL_INVALID')).toBe(before + real.length);
    // All that the victim says afterwards is new.
    const replays = attacked.count(node, 'gossip_refused', 'REPLAYED');
    attacked.mark();
    await cluster.advance(30_000);
    expect(attacked.count(node, 'gossip_refused', 'REPLAYED')).toBe(replays);
    expect(attacked.thoughtOf(victim)).toEqual([]);
  });

  it('nor with a boot that the other never had: its next one is believed at once', async () => {
    const { insider, victim, others, cluster, seen, honest } = attacked;
    for (const over of newerCounters()) for (const node of honest) insider.document(node, { claims: [forged(over)] });
    await cluster.advance(1_000);
    await cluster.restart(victim);
    await cluster.until('it is back', () =>
      others.every((node) => seen(node, victim)?.bootEpoch === 2 && seen(node, victim)?.status === 'alive'),
    );
    expect(seen(victim, victim)).toMatchObject({ bootEpoch: 2 });
    await insider.link(victim);
  });

  it('with its own at their highest it closes only its own', async () => {
    const { insider, honest, cluster, seen, victim, others } = attacked;
    attacked.mark();
    insider.renewBox(counterMax);
    insider.incarnation = counterMax;
    for (const node of honest) insider.document(node);
    await cluster.advance(30_000);
    for (const node of honest) expect(seen(node, insider.nodeId)?.bootEpoch).toBe(counterMax);
    for (const node of honest) for (const other of others) expect(seen(node, other)?.status).toBe('alive');
    expect(attacked.thoughtOf(victim)).toEqual([]);
  });

  it('and no counter wraps: one past 32 bits is malformed', async () => {
    const { insider, victim, others, cluster } = attacked;
    const [, node] = others as [NodeId, NodeId];
    const subject = insider.aliveOf(victim).claim;
    for (const over of [{ epoch: counterMax + 1 }, { incarnation: counterMax + 1 }]) {
      insider.document(node, { claims: [insider.suspect({ ...subject, ...over }) as SignedClaim<SuspectClaim>] });
      await cluster.until('the link is cut', () => !insider.isLinkedTo(node));
      await insider.link(node);
    }
    expect(attacked.thoughtOf(victim)).toEqual([]);
  });
});

describe('an insider cannot bring back a dead member', () => {
  let dead = '';
  beforeAll(async () => {
    const { cluster, victim, others, seen } = attacked;
    cluster.crash(victim, { powerCut: true });
    await cluster.until('it is dead for all', () => others.every((node) => seen(node, victim)?.status === 'dead'));
    await cluster.advance(1_000);
    dead = attacked.standing();
    attacked.mark();
  });
  const staysDead = () => {
    expect(attacked.thoughtOf(attacked.victim)).toEqual([]);
    expect(attacked.standing()).toBe(dead);
  };

  it('with all that it ever signed', async () => {
    const { insider, others, victim, cluster } = attacked;
    const signed = insider.claims.filter(({ claim }) => claim.kind === 'alive' && claim.node === victim);
    const distinct = [...new Map(signed.map((one) => [Buffer.from(one.wire).toString('base64'), one])).values()];
    expect(distinct.length).toBeGreaterThan(1);
    for (const node of others)
      for (const claim of distinct) {
        insider.gossip(node, claim);
        insider.document(node, { claims: [claim], directory: [insider.directory.get(victim)!] });
        await cluster.advance(300);
      }
    await cluster.advance(10_000);
    staysDead();
  });

  it('with all its datagrams, to whom they were for and to others', async () => {
    const { captured, insider, others, victim, cluster } = attacked;
    const real = captured.filter(({ from, to }) => from === victim && to !== insider.nodeId).slice(-300);
    const refused = total('gossip_refused');
    for (const [at, { bytes }] of real.entries()) {
      for (const node of others) insider.raw(node, bytes);
      if (at % 50 === 0) await cluster.advance(100);
    }
    await cluster.advance(1_000);
    expect(total('gossip_refused')).toBe(refused + real.length * others.length);
    staysDead();
  });

  it('with an alive claim that it signs in its name', async () => {
    const { insider, others, cluster } = attacked;
    const refused = total('claims_refused', 'SIGNATURE_INVALID');
    for (const over of newerCounters()) for (const node of others) insider.gossip(node, forged(over));
    await cluster.advance(5_000);
    expect(total('claims_refused', 'SIGNATURE_INVALID')).toBe(refused + newerCounters().length * others.length);
    staysDead();
  });

  it('nor keep it alive by saying that it answers', async () => {
    const { insider, others, victim, cluster, seen } = attacked;
    await cluster.restart(victim);
    await cluster.until('it is back', () => others.every((node) => seen(node, victim)?.status === 'alive'));
    await cluster.advance(3_000);
    insider.relays = 'ack';
    cluster.crash(victim, { powerCut: true });
    await cluster.until(
      'it is dead for all',
      () => others.every((node) => seen(node, victim)?.status === 'dead'),
      60_000,
    );
    insider.relays = 'nack';
  });

  it('that left', async () => {
    const { insider, others, cluster, seen, captured } = attacked;
    const [gone, ...rest] = others as [NodeId, ...NodeId[]];
    const old = insider.claims.filter(({ claim }) => claim.kind === 'alive' && claim.node === gone);
    await cluster.stop(gone);
    await cluster.until('it left', () => rest.every((node) => seen(node, gone)?.status === 'left'));
    await cluster.advance(20_000);
    attacked.mark();
    const real = captured.filter(({ from }) => from === gone).slice(-100);
    for (const node of rest) {
      for (const claim of old.slice(-3)) insider.gossip(node, claim);
      insider.document(node, { claims: old.slice(-3), directory: [insider.directory.get(gone)!] });
      for (const { bytes } of real) insider.raw(node, bytes);
    }
    await cluster.advance(20_000);
    expect(attacked.thoughtOf(gone)).toEqual([]);
    expect(rest.map((node) => seen(node, gone)?.status)).toEqual(rest.map(() => 'left'));
  });
});
