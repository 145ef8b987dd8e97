import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plaintextBytesMax } from '../../../src/actors/cluster/gossip/gossip-datagram.ts';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { limits } from '../../../src/limits.ts';
import type { NodeId } from '../../../src/names.ts';
import { encodePacket } from '../../../src/protocols/swim/packet.ts';
import { type AttackedCluster, attackedCluster } from './attacked-cluster.ts';

let attacked: AttackedCluster;
beforeAll(async () => {
  attacked = await attackedCluster();
});
afterAll(() => attacked?.close());

/** How often somebody was suspected since the mark, by whomever. */
const suspicionsOf = (nodes: readonly NodeId[]): number =>
  nodes.flatMap((node) => attacked.thoughtOf(node)).filter((status) => status !== 'alive').length;

describe('an insider cannot make honest members accuse a healthy one', () => {
  beforeAll(() => attacked.mark());

  it.each(['nack', undefined] as const)('as a middleman that says %s whoever answers', async (word) => {
    const { insider, cluster, victim, others, honest } = attacked;
    const [asks] = others as [NodeId];
    insider.relays = word;
    // It cannot reach the victim and must ask: two honest ones can.
    cluster.network.setConditions({ loss: 1 }, asks, victim);
    const asked = insider.packets.length;
    await cluster.advance(30_000);
    cluster.network.setConditions({ loss: 0 }, asks, victim);
    const requests = insider.packets.slice(asked).filter(({ packet }) => packet.kind === 'ping-req');
    expect(requests.length).toBeGreaterThan(3);
    expect(suspicionsOf(honest)).toBe(0);
    insider.relays = 'nack';
  });

  it('by having it probed so often that it has no patience left with who probes', async () => {
    const { insider, cluster, victim, honest, count } = attacked;
    const refused = honest.map((node) => count(node, 'gossip_refused', 'RATE_LIMIT_EXCEEDED'));
    const received = count(victim, 'gossip_received');
    let seq = 1;
    for (let tick = 0; tick < 40; tick++) {
      for (const node of [honest[0]!, victim])
        for (let each = 0; each < 30; each++) {
          const target = node === victim ? honest[0]! : victim;
          insider.say(node, { kind: 'ping-req', seq: seq++, target, claims: [] });
        }
      await cluster.advance(100);
    }
    expect(suspicionsOf(honest)).toBe(0);
    expect(count(victim, 'gossip_received') - received).toBeGreaterThan(1_000);
    // Nobody is refused but the insider, which stays under its own limit.
    expect(honest.map((node, at) => count(node, 'gossip_refused', 'RATE_LIMIT_EXCEEDED') - refused[at]!)).toEqual(
      honest.map(() => 0),
    );
  });

  it('nor blind them by accusing all of them all the time: a real death is found as soon', async () => {
    const { insider, cluster, others, seen, honest, victim } = attacked;
    const healthy = await timeOfDeath();
    attacked.mark();
    let dead: number | undefined;
    const began = cluster.clock.monotonic();
    for (let tick = 0; tick < 1_000 && dead === undefined; tick++) {
      for (const node of honest) {
        const claims = honest.map((one) => insider.suspect(insider.aliveOf(one).claim));
        insider.gossip(node, ...claims);
      }
      await cluster.advance(100);
      if (tick === 150) cluster.crash(victim, { powerCut: true });
      if (tick > 150 && others.every((node) => seen(node, victim)?.status === 'dead'))
        dead = cluster.clock.monotonic() - began - 15_000;
    }
    expect(dead).toBeLessThan(2 * healthy);
    expect(new Set(others.flatMap((node) => attacked.thoughtOf(node)))).toEqual(new Set(['suspect', 'alive']));
    await cluster.restart(victim);
  });
});

async function timeOfDeath(): Promise<number> {
  const { cluster, others, victim, seen, insider } = attacked;
  const began = cluster.clock.monotonic();
  cluster.crash(victim, { powerCut: true });
  await cluster.until('it is dead for all', () => others.every((node) => seen(node, victim)?.status === 'dead'));
  const took = cluster.clock.monotonic() - began;
  await cluster.restart(victim);
  await cluster.until('it is back', () => others.every((node) => seen(node, victim)?.status === 'alive'));
  await insider.link(victim);
  await cluster.advance(5_000);
  return took;
}

describe('an insider cannot turn honest members against a third party', () => {
  it('answers go to the member’s own address and not to where a datagram came from', async () => {
    const { insider, cluster, others } = attacked;
    const [node] = others as [NodeId];
    const elsewhere = await cluster.network.host('elsewhere', { address: '127.0.0.9' }).bindDatagrams({
      host: '127.0.0.9',
      port: 9_999,
    });
    let heard = 0;
    elsewhere.onMessage(() => heard++);
    const ping = encodePacket({ kind: 'ping', seq: 77_777, target: node, claims: [] }, utf8, plaintextBytesMax);
    const before = insider.packets.length;
    elsewhere.send(insider.seal(node, ping), cluster.machine(node).config.cluster.bind);
    const isAck = () =>
      insider.packets.slice(before).some(({ packet }) => packet.kind === 'ack' && packet.seq === 77_777);
    await cluster.until('the answer is at the member', isAck);
    expect(heard).toBe(0);
    await elsewhere.close();
  });

  it('an address that is not its own gets little more than three times what it spends itself', async () => {
    const { insider, cluster, honest } = attacked;
    const bystander = await cluster.network.host('bystander', { address: '127.0.0.8' }).bindDatagrams({
      host: '127.0.0.8',
      port: 9_998,
    });
    let bytes = 0;
    let datagrams = 0;
    let spent = 0;
    bystander.onMessage((datagram) => {
      bytes += datagram.length;
      datagrams++;
    });
    const stop = cluster.network.onTraffic(({ from, bytes: sent }) => {
      if (from === 'mallory') spent += sent.length;
    });
    const addresses = [{ host: '127.0.0.8', port: 9_998 }];
    for (let second = 0; second < 60; second++) {
      insider.incarnation++;
      // As little as it takes to stay a member: a word to one of them, which the others hear from that one.
      insider.gossip(honest[second % honest.length]!, insider.alive({ addresses }));
      await cluster.advance(1_000);
    }
    stop();
    // Three times what each was sent, what was saved up and a trickle: without them it was 16 times, 20 datagrams a second.
    const { unprovenBytesMax, unprovenBytesPerByte, unprovenBytesPerSecond } = limits;
    const allowance = honest.length * (unprovenBytesMax + 60 * unprovenBytesPerSecond);
    expect(bytes).toBeLessThanOrEqual(unprovenBytesPerByte * spent + allowance);
    expect(datagrams / 60).toBeLessThan(8);
    expect(honest.every((node) => attacked.count(node, 'gossip_withheld') > 0)).toBe(true);
    await bystander.close();
  });
});
