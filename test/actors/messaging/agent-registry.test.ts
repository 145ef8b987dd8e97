import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { ok, refuse, unwrap } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import type { AgentId } from '../../../src/names.ts';
import { readRegistryDelta } from '../../../src/protocols/registry/record.ts';
import { refusalOf } from '../../crypto/fixtures.ts';
import {
  alice,
  bob,
  fakeLink,
  type MessagingLab,
  messagingLab,
  one,
  registryRecord,
  signedCapability,
  signedManifest,
  stranger,
  tellRegistry,
  three,
  two,
} from './messaging-lab.ts';

const [record, tell] = [registryRecord, tellRegistry];

const deltaOf = (content: Uint8Array) => unwrap(readRegistryDelta(utf8.decode(content)));

describe('the registry of agents', () => {
  it('announces its own agents to all links and finds them', async () => {
    const { registry, broadcasts } = messagingLab();
    const manifest = signedManifest(alice, { services: ['asking'] });
    expect(registry.announce(alice, manifest, '').ok).toBe(true);
    expect(registry.find(alice)).toMatchObject({ nodeId: one, capability: undefined, manifest: { generation: 1 } });
    expect(registry.offering('default/asking')).toMatchObject([{ node: one, manifest: { agentId: alice } }]);
    await Promise.resolve();
    expect(broadcasts.map(deltaOf)).toMatchObject([{ above: 0, records: [{ agentId: alice, state: 'live' }] }]);
  });

  it('withdraws them again, with a higher version', async () => {
    const { registry, broadcasts } = messagingLab();
    registry.announce(alice, signedManifest(alice), '');
    await Promise.resolve();
    registry.withdraw(alice);
    expect(registry.find(alice)).toBeUndefined();
    await Promise.resolve();
    const [live, gone] = broadcasts.map((content) => deltaOf(content).records[0]!);
    expect(gone).toMatchObject({ agentId: alice, state: 'gone', manifest: '' });
    expect(gone!.version).toBeGreaterThan(live!.version);
  });

  it('announces nothing that others would refuse', async () => {
    const { registry, broadcasts } = messagingLab();
    const elsewhere = signedManifest(alice, { placement: { nodes: [two] } });
    expect(refusalOf(registry.announce(alice, elsewhere, '')).code).toBe('DEPLOYMENT_REFUSED');
    expect(refusalOf(registry.announce(alice, signedManifest(bob), '')).code).toBe('DEPLOYMENT_REFUSED');
    await Promise.resolve();
    expect(broadcasts).toEqual([]);
  });

  describe('tells many at once', () => {
    const names = Array.from({ length: 1_000 }, (_, i) => `default/a${i}` as AgentId);
    const announce = ({ registry }: MessagingLab, some: readonly AgentId[] = names) => {
      for (const name of some) unwrap(registry.announce(name, signedManifest(name), ''));
    };
    const told = (contents: readonly Uint8Array[]) => contents.flatMap((content) => deltaOf(content).records);

    it('in few frames, each within its bound, and of each agent just the newest', async () => {
      const lab = messagingLab();
      announce(lab);
      lab.registry.withdraw(names[7]!);
      await Promise.resolve();
      expect(lab.broadcasts.length).toBeLessThan(5);
      for (const content of lab.broadcasts) expect(content.length).toBeLessThanOrEqual(limits.pushPullBytesMax);
      const records = told(lab.broadcasts);
      expect(new Set(records.map(({ agentId }) => agentId))).toEqual(new Set(names));
      expect(records.find(({ agentId }) => agentId === names[7])).toMatchObject({ state: 'gone' });
      const versions = records.map(({ version }) => version);
      expect(versions).toEqual(versions.toSorted((a, b) => a - b));
      const receiver = messagingLab({ nodeId: two });
      const { link } = receiver.connect(one);
      for (const content of lab.broadcasts)
        receiver.registry.receive(link, { kind: 'registry', header: new Uint8Array(0), content });
      expect([receiver.refusedRecords, receiver.registry.all().length]).toEqual([[], 999]);
    });

    it('and a link that takes no more the rest, once it flows again', async () => {
      const lab = messagingLab();
      announce(lab, names.slice(0, 10));
      const slow = fakeLink(three);
      slow.answer = refuse('UNREACHABLE', 'Too much waits.');
      lab.registry.linkReady(slow.link);
      await Promise.resolve();
      announce(lab, names.slice(10, 20));
      lab.registry.withdraw(names[0]!);
      await Promise.resolve();
      expect([slow.sent.length, slow.flowing.length]).toEqual([0, 1]);
      slow.answer = ok(undefined);
      slow.flowing.shift()!();
      const records = told(slow.sent.map(({ content }) => content));
      expect(records.map(({ agentId }) => agentId).sort()).toEqual(names.slice(0, 20).sort());
      expect(records.filter(({ state }) => state === 'gone').map(({ agentId }) => agentId)).toEqual([names[0]]);
    });

    it('although one of them was refused here before', async () => {
      const lab = messagingLab();
      expect(lab.registry.announce(alice, signedManifest(bob), '').ok).toBe(false);
      announce(lab, names.slice(0, 1));
      await Promise.resolve();
      expect(lab.registry.announce(alice, signedManifest(bob), '').ok).toBe(false);
      announce(lab, names.slice(1, 2));
      await Promise.resolve();
      announce(lab, names.slice(2, 3));
      await Promise.resolve();
      expect(told(lab.broadcasts).map(({ agentId }) => agentId)).toEqual(names.slice(0, 3));
    });
  });

  it('tells a new link everything, and nothing of others', () => {
    const lab = messagingLab();
    lab.registry.announce(alice, signedManifest(alice), '');
    tell(lab, lab.connect(two), [record()]);
    const { sent } = lab.connect(three);
    expect(sent.map(({ kind, content }) => [kind, deltaOf(content)])).toMatchObject([
      ['registry', { pass: 3, above: 0, newest: 1, records: [{ agentId: alice, node: one }] }],
    ]);
  });

  it('tells in parts what one frame cannot hold, the removals included', () => {
    const lab = messagingLab();
    const names = Array.from({ length: 60 }, (_, i) => `default/a${i}` as AgentId);
    // As large as manifests get: services with long names.
    const services = Array.from({ length: limits.servicesMax }, (_, i) => `${'s'.repeat(60)}${i}`);
    const nodes = [one, ...Array.from({ length: 255 }, (_, i) => `${'n'.repeat(60)}${i}`)] as never[];
    for (const name of names)
      unwrap(lab.registry.announce(name, signedManifest(name, { services, placement: { nodes } }), ''));
    lab.registry.withdraw(names[0]!);
    const { sent } = lab.connect(two);
    expect(sent.length).toBeGreaterThan(1);
    for (const { content } of sent) expect(content.length).toBeLessThanOrEqual(limits.pushPullBytesMax);
    const receiver = messagingLab({ nodeId: two });
    const link = receiver.connect(one);
    // An agent that the receiver knew and that was removed while the link was down.
    tell(receiver, link, [record({ agentId: names[0]!, node: one })]);
    for (let round = 0; round < 2; round++)
      for (const { content } of sent)
        receiver.registry.receive(link.link, { kind: 'registry', header: new Uint8Array(0), content });
    expect(receiver.registry.all().map(({ manifest }) => manifest.agentId)).toEqual([...names.slice(1)].sort());
    expect(receiver.refusedRecords).toEqual([]);
  });

  it('forgets what a listing does not name, and starts over with a new boot', () => {
    const lab = messagingLab();
    const link = lab.connect(two);
    tell(lab, link, [record(), record({ agentId: alice, version: 2 })], { pass: 1 });
    tell(lab, link, [record()], { pass: 2, upTo: 3 });
    expect([lab.registry.find(alice), lab.registry.find(bob)?.nodeId]).toEqual([undefined, two]);
    lab.connect(two, 2);
    expect(lab.registry.find(bob)).toBeUndefined();
  });

  it.each([
    [
      'a manifest that no deployer signed',
      { manifest: signedManifest(bob, {}, stranger.privateKey) },
      'DEPLOYMENT_REFUSED',
    ],
    [
      'a capability that no issuer signed',
      { capability: signedCapability(bob, [], {}, stranger.privateKey) },
      'DEPLOYMENT_REFUSED',
    ],
    ['another agent’s capability', { capability: signedCapability(alice, []) }, 'DEPLOYMENT_REFUSED'],
    ['another agent’s manifest', { manifest: signedManifest(alice) }, 'DEPLOYMENT_REFUSED'],
    [
      'a manifest that places it elsewhere',
      { manifest: signedManifest(bob, { placement: { nodes: [three] } }) },
      'DEPLOYMENT_REFUSED',
    ],
    ['another node’s record', { node: three }, 'UNAUTHORIZED'],
  ])('refuses %s, reports it, and takes the rest', (_, over, code) => {
    const lab = messagingLab();
    const link = lab.connect(two);
    tell(lab, link, [record(over), record({ agentId: alice, version: 2 })]);
    expect(lab.registry.find(bob)).toBeUndefined();
    expect(lab.registry.find(alice)?.nodeId).toBe(two);
    expect(lab.refusedRecords).toMatchObject([{ peer: two, agentId: bob, refusal: { code } }]);
    expect(link.violations).toEqual([]);
  });

  it('closes the link of a peer whose delta is not in its form', () => {
    const lab = messagingLab();
    for (const content of [new Uint8Array([0xff]), utf8.encode('{}'), utf8.encode('')]) {
      const link = lab.connect(two);
      lab.registry.receive(link.link, { kind: 'registry', header: new Uint8Array(0), content });
      expect(link.violations).toHaveLength(1);
    }
  });

  it('takes nothing from a boot that is over, and says so', () => {
    const lab = messagingLab();
    lab.connect(two, 5);
    const old = lab.connect(two, 4);
    expect(lab.refusedRecords).toMatchObject([{ peer: two, refusal: { code: 'REPLAYED' } }]);
    tell(lab, old, [record()], { pass: 1 });
    expect(lab.registry.find(bob)).toBeUndefined();
    expect(lab.refusedRecords).toMatchObject([{}, { peer: two, refusal: { code: 'REPLAYED' } }]);
    tell(lab, lab.connect(two, 5), [record()], { pass: 1 });
    expect(lab.registry.find(bob)?.nodeId).toBe(two);
  });

  it('looks at no more of a peer after too many refused records, for a while, and goes on with others', () => {
    const lab = messagingLab();
    const [bad, good] = [lab.connect(two), lab.connect(three)];
    const foreign = Array.from({ length: 1_000 }, (_, i) => record({ node: three, version: i + 1, manifest: 'x' }));
    for (let pass = 1; pass <= 10; pass++) tell(lab, bad, foreign, { pass });
    expect(lab.refusedRecords).toHaveLength(10_000);
    tell(lab, bad, [record({ version: 1_001 })], { above: 1_000 });
    expect(lab.refusedRecords.at(-1)).toMatchObject({ peer: two, refusal: { code: 'RATE_LIMIT_EXCEEDED' } });
    expect(lab.registry.find(bob)).toBeUndefined();
    tell(lab, good, [record({ agentId: alice, node: three })]);
    expect(lab.registry.find(alice)?.nodeId).toBe(three);
    lab.clock.advance(1_000);
    tell(lab, bad, [record({ version: 1_001 })], { above: 1_000 });
    expect(lab.registry.find(bob)?.nodeId).toBe(two);
  });

  it('lets the higher generation win wherever it runs', () => {
    const lab = messagingLab();
    lab.registry.announce(bob, signedManifest(bob), '');
    const link = lab.connect(two);
    tell(lab, link, [record({ manifest: signedManifest(bob, { generation: 2 }) })]);
    expect(lab.registry.find(bob)?.nodeId).toBe(two);
    tell(lab, link, [record({ version: 2, state: 'gone' })]);
    expect(lab.registry.find(bob)?.nodeId).toBe(one);
  });
});
