import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plaintextBytesMax } from '../../../src/actors/cluster/gossip/gossip-datagram.ts';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { limits } from '../../../src/limits.ts';
import type { NodeId } from '../../../src/names.ts';
import { Writer } from '../../../src/protocols/msgpack/writer.ts';
import { type SignedClaim, signAlive } from '../../../src/protocols/swim/claim.ts';
import { encodePacket } from '../../../src/protocols/swim/packet.ts';
import { heldBytes } from '../lab/memory.ts';
import { type AttackedCluster, attackedCluster } from './attacked-cluster.ts';

let attacked: AttackedCluster;
let node: NodeId;
let standing = '';
beforeAll(async () => {
  attacked = await attackedCluster();
  node = attacked.others[0]!;
  standing = attacked.standing();
});
afterAll(() => attacked?.close());

/** An array of 2³² − 1 things, in MessagePack. */
const most = Buffer.of(0xdd, 0xff, 0xff, 0xff, 0xff);

const count = (metric: string, code?: string): number => attacked.count(node, metric, code);
const strangers = (some: number, from = 0): SignedClaim[] =>
  Array.from({ length: some }, (_, at) => {
    const { insider } = attacked;
    const claim = { ...insider.alive().claim, node: `stranger-${from + at}` as NodeId };
    return signAlive(claim, insider.sign, utf8);
  });

/** Lets budgets fill again, and expects that nothing has changed and everything goes on. */
async function stillWell(): Promise<void> {
  const { cluster } = attacked;
  await cluster.advance(40_000);
  const received = count('gossip_received');
  await cluster.advance(5_000);
  expect(count('gossip_received')).toBeGreaterThan(received);
  expect(attacked.standing()).toBe(standing);
}

describe('an insider cannot exhaust a member', () => {
  it('with claims about members that nobody knows: none is kept, and it is asked for their keys once an interval', async () => {
    const { insider, cluster } = attacked;
    const checked = count('claim_signatures_checked');
    const claims = strangers(3_000);
    const documents = insider.documentsHeard;
    let held = 0;
    for (let round = 0; round < 20; round++) {
      insider.document(node, { claims });
      for (let each = 0; each < 50; each++) insider.gossip(node, ...claims.slice(each * 5, each * 5 + 5));
      await cluster.advance(250);
      if (round === 9) held = heldBytes();
    }
    expect(heldBytes() - held).toBeLessThan(20 * 1_048_576);
    expect(count('claims_refused', 'UNREACHABLE')).toBeGreaterThan(10_000);
    // Not one of them cost a signature check, and its twenty documents were answered, and no more than ten questions asked.
    expect(count('claim_signatures_checked') - checked).toBeLessThan(20);
    expect(insider.documentsHeard - documents).toBeLessThanOrEqual(20 + 10 + 5);
    await stillWell();
  });

  it('with forged signatures: after so many it is not listened to', async () => {
    const { insider, cluster, victim } = attacked;
    const checked = count('claim_signatures_checked');
    const { claim } = insider.aliveOf(victim);
    for (let round = 0; round < 1_000; round++) {
      insider.gossip(node, signAlive({ ...claim, incarnation: claim.incarnation + round + 1 }, insider.sign, utf8));
      if (round % 20 === 0) await cluster.advance(100);
    }
    await cluster.advance(100);
    // 256 at once and eight a second.
    expect(count('claim_signatures_checked') - checked).toBeLessThan(256 + 8 * 6 + 20);
    expect(count('claims_refused', 'RATE_LIMIT_EXCEEDED')).toBeGreaterThan(600);
    await stillWell();
  });

  it('with good signatures: each is checked once, however often it is said', async () => {
    const { insider, cluster, victim } = attacked;
    const checked = count('claim_signatures_checked');
    // About an incarnation that is over, to the accused itself: worth an answer each time, and a check only once.
    const { claim } = insider.aliveOf(victim);
    const before = attacked.count(victim, 'claim_signatures_checked');
    const old = insider.suspect({ ...claim, incarnation: claim.incarnation - 1 });
    for (let round = 0; round < 500; round++) {
      insider.gossip(victim, ...Array.from({ length: 8 }, () => old));
      if (round % 20 === 0) await cluster.advance(100);
    }
    expect(attacked.count(victim, 'claim_signatures_checked') - before).toBeLessThan(10);
    expect(count('claim_signatures_checked') - checked).toBeLessThan(10);
    await stillWell();
  });

  it('with certificates that do not hold: after so many the others are not looked at', async () => {
    const { insider, cluster } = attacked;
    const refused = count('directory_refused', 'CERTIFICATE_REFUSED');
    const own = insider.ownEntry();
    const bad = Array.from({ length: 1_000 }, (_, at) => {
      const certificate = Uint8Array.from(own.certificate);
      certificate.set(randomBytes(8), certificate.length - 20);
      return { ...own, nodeId: `stranger-${at}` as NodeId, certificate };
    });
    for (let round = 0; round < 30; round++) {
      insider.document(node, { directory: bad, claims: [] });
      await cluster.advance(250);
    }
    expect(count('directory_refused', 'RATE_LIMIT_EXCEEDED')).toBeGreaterThan(5);
    // 256 at once, eight a second, and what one document may be over.
    const looked = count('directory_refused', 'CERTIFICATE_REFUSED') - refused;
    expect(looked).toBeLessThan(256 + 8 * 8 + limits.directoryRefusalsMax);
    await stillWell();
  });

  it('with counts that lie, and depth without end, in datagrams', async () => {
    const { insider, cluster } = attacked;
    const head = (claims: number) => new Writer(utf8, 64).array(4).uint(4).uint(0).nil().array(claims).finish();
    const deep = new Uint8Array(1_300).fill(0x91);
    const whole = encodePacket({ kind: 'gossip', claims: [insider.alive()] }, utf8, plaintextBytesMax);
    const wrong = [
      head(1),
      head(limits.datagramClaimsMax + 1),
      Buffer.concat([head(0).subarray(0, -1), most]),
      deep,
      new Uint8Array(0),
      Buffer.concat([whole, Buffer.of(0)]),
      ...Array.from({ length: whole.length - 1 }, (_, at) => whole.subarray(0, at + 1)),
    ];
    const refused = count('gossip_refused', 'MALFORMED');
    for (const [at, bytes] of wrong.entries()) {
      insider.sayBytes(node, bytes);
      if (at % 20 === 0) await cluster.advance(200);
    }
    await cluster.advance(200);
    expect(count('gossip_refused', 'MALFORMED') - refused).toBe(wrong.length);
    await stillWell();
  });

  it('with counts that lie, and depth without end, in documents: each is the end of the link', async () => {
    const { insider, cluster } = attacked;
    const head = (entries: number) => new Writer(utf8, 64).array(3).uint(1).array(entries).finish();
    const wrong = [
      head(1),
      head(limits.pushPullEntriesMax + 1),
      Buffer.concat([head(0).subarray(0, -1), most]),
      new Uint8Array(limits.pushPullBytesMax).fill(0x91),
      new Uint8Array(limits.pushPullBytesMax + 1),
      new Uint8Array(0),
    ];
    const held = heldBytes();
    const ended = cluster.events.length;
    for (const bytes of wrong) {
      insider.documentBytes(node, bytes);
      await cluster.until('the link is cut', () => !insider.isLinkedTo(node));
      await insider.link(node);
    }
    const closed = cluster.events
      .slice(ended)
      .filter(({ event }) => event.type === 'link.closed' && event.nodeId === node && event.peer === insider.nodeId);
    expect(closed).toHaveLength(wrong.length);
    expect(heldBytes() - held).toBeLessThan(20 * 1_048_576);
    await stillWell();
  });
});
