import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { limits } from '../../../src/limits.ts';
import type { AgentId } from '../../../src/names.ts';
import { readAcknowledgement } from '../../../src/protocols/registry/acknowledgement.ts';
import type { RegistryRecord } from '../../../src/protocols/registry/record.ts';
import {
  alice,
  bob,
  deployer,
  type FakeLink,
  mallory,
  messagingLab,
  registryRecord,
  signedManifest,
  tellRegistry,
  textOf,
  three,
  two,
} from '../../actors/messaging/messaging-lab.ts';

/** node-2 is in the wrong hands and hosts alice; mallory lives on node-3, which is honest. */
function attacked() {
  const lab = messagingLab();
  const evil = lab.connect(two);
  const honest = lab.connect(three);
  tellRegistry(lab, evil, [registryRecord({ agentId: alice })]);
  tellRegistry(lab, honest, [registryRecord({ agentId: mallory, node: three })]);
  evil.sent.length = 0;
  return { lab, evil, honest };
}

const acknowledgements = ({ sent }: FakeLink) =>
  sent.flatMap(({ kind, content }) => {
    const read = kind === 'registry-acknowledgement' ? readAcknowledgement(utf8.decode(content)) : undefined;
    return read?.ok ? [read.value] : [];
  });

/** Only that alice is suspended, and is not: nothing to verify, and true. */
const changes = (from: number, count: number): RegistryRecord[] =>
  Array.from({ length: count }, (_, i) => ({
    agentId: alice,
    node: two,
    version: from + i,
    documents: 1,
    state: i % 2 === 0 ? ('suspended' as const) : ('live' as const),
    manifest: '',
    capability: '',
  }));

describe('a member in the wrong hands, about its own agents', () => {
  it('is heard at a bounded rate, and asked for the rest: others are heard all the time', () => {
    const { lab, evil, honest } = attacked();
    let [version, taken] = [2, 0];
    for (let frame = 0; frame < 200; frame += 1) {
      tellRegistry(lab, evil, changes(version, 5_000), { above: version - 1 });
      version += 5_000;
      if (lab.postponed.length === 0) taken += 5_000;
    }
    expect(taken).toBeLessThan(500_000);
    expect(lab.postponed.every((peer) => peer === two)).toBe(true);
    tellRegistry(lab, honest, [registryRecord({ agentId: bob, node: three, version: 2 })], { above: 1 });
    expect(lab.registry.find(bob)?.nodeId).toBe(three);
    lab.clock.advance(limits.registryAckMs);
    expect(acknowledgements(evil)).toEqual([{ upTo: taken + 1, pass: 0, listed: 0, done: true, missing: true }]);
    // What it said that was not heard is heard once it says it again, and nothing behind a gap before that.
    lab.clock.advance(60_000);
    tellRegistry(lab, evil, changes(version, 1), { above: version - 1 });
    tellRegistry(lab, evil, changes(taken + 2, 1), { above: taken + 1 });
    lab.clock.advance(limits.registryAckMs);
    expect(acknowledgements(evil).at(-1)).toMatchObject({ upTo: taken + 2, missing: false });
  }, 30_000);

  it('gets one acknowledgement for all that it sends in a moment, and none of a gap is taken', () => {
    const { lab, evil } = attacked();
    for (let i = 0; i < 10_000; i += 1) tellRegistry(lab, evil, changes(100 + i, 1), { above: 99 + i });
    lab.clock.advance(10 * limits.registryAckMs);
    expect(acknowledgements(evil)).toEqual([{ upTo: 1, pass: 0, listed: 0, done: true, missing: true }]);
    expect(lab.registry.find(alice)?.suspended).toBe(false);
  });

  it('cannot say again what another node said, in that one’s name or its own', () => {
    const { lab, evil } = attacked();
    tellRegistry(lab, evil, [registryRecord({ agentId: mallory, node: three, version: 2 })], { above: 1 });
    tellRegistry(lab, evil, [registryRecord({ agentId: mallory, node: three, version: 3, state: 'gone' })], {
      above: 2,
    });
    expect(lab.refusedRecords.map(({ refusal }) => refusal.code)).toEqual(['UNAUTHORIZED', 'UNAUTHORIZED']);
    expect(lab.registry.find(mallory)?.nodeId).toBe(three);
  });

  it('cannot use a generation that no deployer could outbid, nor more services than there may be', () => {
    const { lab, evil } = attacked();
    expect(() => signedManifest(alice, { generation: 2 ** 53 })).toThrow();
    const services = Array.from({ length: limits.servicesMax + 1 }, (_, i) => `s${i}`);
    expect(() => signedManifest(alice, { services })).toThrow();
    // The greatest that there is counts, and is outbid by nobody: its deployer revokes the document.
    const manifest = signedManifest(alice, { generation: Number.MAX_SAFE_INTEGER });
    tellRegistry(lab, evil, [registryRecord({ agentId: alice, version: 2, manifest })], { above: 1 });
    expect(lab.registry.find(alice)?.manifest.generation).toBe(Number.MAX_SAFE_INTEGER);
  });

  it('cannot have anybody host what a revoked deployer signed, and is asked once for what may be signed anew', () => {
    const { lab, evil } = attacked();
    const { notice } = lab.trust;
    const none = { deployers: [], issuers: [], authorities: [] };
    lab.trust.enforce({ notice, text: '' }, none, () => undefined);
    lab.registry.trustChanged();
    expect([alice, mallory].map((agent) => lab.registry.find(agent))).toEqual([undefined, undefined]);
    tellRegistry(lab, evil, [registryRecord({ agentId: alice, version: 2 })], { above: 1 });
    expect(lab.refusedRecords.map(({ refusal }) => refusal.code)).toEqual(['DEPLOYMENT_REFUSED']);
    const keys = [textOf(deployer.publicKey)];
    lab.trust.enforce({ notice, text: '' }, { ...none, deployers: keys, issuers: keys }, () => undefined);
    lab.registry.trustChanged();
    lab.registry.trustChanged();
    lab.clock.advance(limits.registryAckMs);
    expect(acknowledgements(evil)).toEqual([{ upTo: 2, pass: 1, listed: 0, done: false, missing: false }]);
    tellRegistry(lab, evil, [registryRecord({ agentId: alice, version: 2 })], { pass: 1 });
    expect(lab.registry.find(alice)?.nodeId).toBe(two);
  });

  it('cannot make a node walk all that it knows of it again and again with listings of nothing', () => {
    const { lab, evil } = attacked();
    const names = Array.from({ length: 1_000 }, (_, i) => `default/e${i}` as AgentId);
    const records = names.map((agentId, i) => registryRecord({ agentId, version: i + 2 }));
    tellRegistry(lab, evil, records, { above: 1 });
    tellRegistry(lab, evil, [], { pass: 1, upTo: 1 });
    // One that knows less than was told is none; one that knows as much takes away what it does not name.
    expect(lab.registry.all({ node: two })).toHaveLength(1_001);
    tellRegistry(lab, evil, [], { pass: 2, upTo: 1_001 });
    expect(lab.registry.all({ node: two })).toEqual([]);
  });
});
