import { describe, expect, it, test } from 'vitest';
import { Patience } from '../../../src/actors/cluster/gossip/patience.ts';
import type { PeerLink } from '../../../src/actors/cluster/links/links.ts';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { Announcements } from '../../../src/actors/messaging/announcements.ts';
import { unwrap } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import type { AgentId } from '../../../src/names.ts';
import { PersistentMap } from '../../../src/protocols/persistent-map.ts';
import { acknowledgementText } from '../../../src/protocols/registry/acknowledgement.ts';
import { type RegistryDelta, type RegistryRecord, readRegistryDelta } from '../../../src/protocols/registry/record.ts';
import type { RegistryState } from '../../../src/protocols/registry/registry.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { refusalOf } from '../../crypto/fixtures.ts';
import { type FakeLink, messagingLab, one, signedManifest, three, two } from './messaging-lab.ts';

const text = 'm'.repeat(limits.pushPullBytesMax / 100);

test('a link that takes one part is told one, and the texts of the rest are not made for it', () => {
  let made = 0;
  let live: PersistentMap<AgentId, never> = PersistentMap.empty();
  const clock = new ManualClock();
  const announcements = new Announcements({
    nodeId: one,
    clock,
    state: () => ({ nodes: PersistentMap.empty().with(one, { live }) }) as RegistryState,
    isLive: () => true,
    patience: new Patience(clock, { count: 1, periodMs: 1_000, burst: 1_000 }),
  });
  for (let n = 0; n < 1_000; n += 1) {
    const agentId = `default/a${n}` as AgentId;
    const version = announcements.next();
    const signed = Object.defineProperty({ capability: '' }, 'manifest', {
      get: () => {
        made += 1;
        return text;
      },
    });
    live = live.with(agentId, { signed, version, documents: version, suspended: false } as never);
    announcements.add({ agentId, version, state: 'live', manifest: text } as RegistryRecord, undefined);
  }
  let sent = 0;
  const link = {
    nodeId: two,
    hello: { bootEpoch: 1 },
    get congested() {
      return sent > 0;
    },
    send: () => {
      sent += 1;
      return { ok: true };
    },
    whenFlowing: () => {},
  } as unknown as PeerLink;
  announcements.linkReady(link);
  expect(sent).toBe(1);
  expect(made).toBeLessThan(200);
});

const agent = (n: number) => `default/a${n}` as AgentId;
/** What is verified is not signed again: these tests are about many. */
const manifest = signedManifest(agent(0));

function acknowledge(lab: ReturnType<typeof messagingLab>, { link }: FakeLink, over: object = {}): void {
  const content = utf8.encode(
    acknowledgementText({ upTo: 0, pass: 0, listed: 0, done: true, missing: false, ...over }),
  );
  lab.registry.receiveAcknowledgement(link, { kind: 'registry-acknowledgement', header: new Uint8Array(0), content });
}

const deltas = ({ sent }: FakeLink): readonly RegistryDelta[] =>
  sent.flatMap(({ kind, content }) => (kind === 'registry' ? unwrap(readRegistryDelta(utf8.decode(content))) : []));

/** node-2 has a link and has acknowledged that it knows of no agent. */
async function told() {
  const lab = messagingLab({ alone: true });
  const peer = lab.connect(two);
  lab.registry.announce(agent(0), manifest, '');
  await Promise.resolve();
  const [{ pass, upTo }] = deltas(peer) as [RegistryDelta];
  acknowledge(lab, peer, { pass, upTo, listed: upTo });
  lab.registry.withdraw(agent(0));
  await Promise.resolve();
  acknowledge(lab, peer, { pass, upTo: 2, listed: upTo });
  return { lab, peer, pass };
}

describe('what a node tells of its agents', () => {
  it('is told once, and a new link goes on where the last one was acknowledged', async () => {
    const { lab, peer, pass } = await told();
    lab.registry.announce(agent(0), manifest, '');
    await Promise.resolve();
    expect(deltas(peer).map((delta) => [delta.pass, delta.above, delta.upTo])).toEqual([
      [pass, 0, 1],
      [0, 1, 2],
      [0, 2, 3],
    ]);
    lab.disconnect(two);
    const again = lab.connect(two);
    expect(deltas(again)).toMatchObject([
      { pass: 0, above: 2, upTo: 3, records: [{ agentId: agent(0), state: 'live' }] },
    ]);
    const reborn = lab.connect(two, 2);
    expect(deltas(reborn)).toMatchObject([{ above: 0, upTo: 3, records: [{}] }]);
    expect(deltas(reborn)[0]!.pass).toBeGreaterThan(pass);
  });

  it('that one is gone is remembered until all have acknowledged it, whoever has a link or may be back', async () => {
    const { lab, peer, pass } = await told();
    expect(lab.registry.removals).toBe(0);
    const other = lab.connect(three);
    lab.live.add(three);
    acknowledge(lab, other, { pass: pass + 1, upTo: 2, listed: 2 });
    lab.registry.announce(agent(0), manifest, '');
    await Promise.resolve();
    lab.disconnect(three);
    lab.registry.withdraw(agent(0));
    await Promise.resolve();
    const everything = { pass, upTo: 4, listed: 1 };
    for (let i = 0; i < 4; i += 1) acknowledge(lab, peer, everything);
    expect(lab.registry.removals).toBe(1);
    const back = lab.connect(three);
    expect(deltas(back)).toMatchObject([
      { pass: 0, above: 2, upTo: 4, records: [{ agentId: agent(0), state: 'gone' }] },
    ]);
    lab.disconnect(three);
    lab.live.delete(three);
    for (let i = 0; i < 4; i += 1) acknowledge(lab, peer, everything);
    expect(lab.registry.removals).toBe(0);
    expect(deltas(lab.connect(three))).toMatchObject([{ above: 0, upTo: 4, records: [] }]);
  });

  it('is told again from where a peer says that something was missing, but once in a while', async () => {
    const { lab, peer, pass } = await told();
    lab.registry.announce(agent(0), manifest, '');
    await Promise.resolve();
    peer.sent.length = 0;
    lab.clock.advance(limits.registryRepeatMs);
    for (let i = 0; i < 100; i += 1) acknowledge(lab, peer, { pass, upTo: 2, listed: 1, missing: true });
    expect(deltas(peer)).toMatchObject([{ above: 2, upTo: 3 }]);
    lab.clock.advance(limits.registryRepeatMs);
    expect(deltas(peer)).toHaveLength(2);
    acknowledge(lab, peer, { pass, upTo: 2, listed: 1, missing: true });
    acknowledge(lab, peer, { pass, upTo: 3, listed: 1 });
    lab.clock.advance(10 * limits.registryRepeatMs);
    expect(deltas(peer)).toHaveLength(2);
  });

  it('is not told without end to who never has enough of it', async () => {
    const { lab, peer, pass } = await told();
    for (let n = 1; n <= 1_000; n += 1) unwrap(lab.registry.announce(agent(n), signedManifest(agent(n)), ''));
    await Promise.resolve();
    let [listing, records] = [pass, 0];
    for (let round = 0; round < 60; round += 1) {
      peer.sent.length = 0;
      acknowledge(lab, peer, { pass: listing, missing: true });
      lab.clock.advance(limits.registryRepeatMs);
      for (const delta of deltas(peer)) {
        records += delta.records.length;
        listing = Math.max(listing, delta.pass);
      }
    }
    // The lab has patience for 5,000 at first and 100 more in a second, and may overdraw it once.
    expect(records).toBeLessThanOrEqual(5_000 + 60 * 100 + 1_000);
    const calm = lab.connect(three);
    expect(deltas(calm).flatMap((delta) => delta.records)).toHaveLength(1_000);
  });

  it('is not believed to be acknowledged beyond what was written', async () => {
    for (const over of [{ upTo: 3 }, { listed: 3 }, { pass: 9, done: false }, { pass: 2 ** 53 }, { upTo: -1 }]) {
      const { lab, peer } = await told();
      acknowledge(lab, peer, over);
      expect([over, peer.violations.length]).toEqual([over, 1]);
    }
  });

  it('is told to nobody who has a boot that is over', () => {
    const lab = messagingLab({ alone: true });
    unwrap(lab.registry.announce(agent(0), manifest, ''));
    lab.connect(two, 5);
    expect(deltas(lab.connect(two, 4))).toEqual([]);
    expect(refusalOf({ ok: false, refusal: lab.refusedRecords[0]!.refusal }).code).toBe('REPLAYED');
  });
});
