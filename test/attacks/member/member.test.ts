import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { limits } from '../../../src/limits.ts';
import type { AgentId } from '../../../src/names.ts';
import { DenialWindow } from '../../../src/protocols/audit/denials.ts';
import type { AuditEvent } from '../../../src/protocols/audit/record.ts';
import { encodeMessageHeader, withSignature } from '../../../src/protocols/link/message-frame.ts';
import { decodeRefusal, encodeRefusal } from '../../../src/protocols/link/refusal-frame.ts';
import { messageHeader } from '../../actors/messaging/fixtures.ts';
import {
  alice,
  bob,
  deployer,
  type FakeLink,
  type MessagingLab,
  mallory,
  messagingLab,
  registryRecord,
  signedCapability,
  signedManifest,
  stranger,
  tellRegistry,
  three,
  two,
} from '../../actors/messaging/messaging-lab.ts';

/** node-2 has a good certificate and is in the wrong hands. bob lives here, alice on node-2, mallory on node-3. */
function attacked() {
  const lab = messagingLab();
  const evil = lab.connect(two);
  const honest = lab.connect(three);
  lab.registry.announce(bob, signedManifest(bob), '');
  const may = (agent: AgentId) => signedCapability(agent, ['* agent:default/*']);
  tell(lab, evil, [record({ agentId: alice, manifest: signedManifest(alice), capability: may(alice) })]);
  tell(lab, honest, [
    record({ agentId: mallory, node: three, manifest: signedManifest(mallory, { placement: { nodes: [three] } }) }),
  ]);
  expect(lab.refusedRecords).toEqual([]);
  evil.sent.length = 0;
  return { lab, evil, honest };
}

const [record, tell] = [registryRecord, tellRegistry];

function say(lab: MessagingLab, { link }: FakeLink, over: Parameters<typeof messageHeader>[0], content = 'hi'): void {
  const header = withSignature(encodeMessageHeader(utf8, messageHeader(over)), undefined);
  lab.routing.receive(link, { kind: 'message', header, content: utf8.encode(content) });
}

const codes = ({ sent }: FakeLink): string[] =>
  sent.flatMap(({ kind, header }) => {
    const read = kind === 'refusal' ? decodeRefusal(utf8, header) : undefined;
    return read?.ok ? [read.value.unverified.code] : [];
  });

describe('a member in the wrong hands, about agents', () => {
  it('cannot host one that is placed elsewhere, with the genuine manifest that it has from the registry', () => {
    const { lab, evil } = attacked();
    const { signed } = lab.registry.all().find(({ manifest }) => manifest.agentId === mallory)!;
    const stolen = { agentId: mallory, manifest: signed.manifest, capability: signed.capability };
    tell(lab, evil, [record({ ...stolen, version: 8 }), record({ ...stolen, node: three, version: 9 })]);
    expect(lab.refusedRecords.map(({ refusal }) => refusal.code)).toEqual(['DEPLOYMENT_REFUSED', 'UNAUTHORIZED']);
    expect(lab.registry.find(mallory)?.nodeId).toBe(three);
  });

  it.each([
    ['signed by somebody', signedManifest(mallory, {}, stranger.privateKey)],
    ['of another agent', signedManifest(bob, { generation: 9 })],
    ['that is a capability', signedCapability(mallory, ['* agent:*'], {}, deployer.privateKey)],
    ['with a byte more', `${signedManifest(mallory)}A`],
    ['that is nothing', '...'],
    ['of control characters', '\u001b[2J\r\n\u0000'],
  ])('cannot make one up with a manifest %s', (_, manifest) => {
    const { lab, evil } = attacked();
    tell(lab, evil, [record({ agentId: mallory, version: 7, manifest })]);
    expect(lab.refusedRecords.map(({ refusal }) => refusal.code)).toEqual(['DEPLOYMENT_REFUSED']);
    expect(lab.registry.find(mallory)?.nodeId).toBe(three);
  });

  it('cannot take one away from another node', () => {
    const { lab, evil } = attacked();
    tell(lab, evil, [
      record({ agentId: mallory, node: three, version: 97, state: 'gone' }),
      record({ agentId: mallory, version: 98, state: 'gone' }),
      record({ agentId: bob, version: 99, state: 'gone' }),
    ]);
    tell(lab, evil, [], { pass: 1, upTo: 99 });
    expect([mallory, bob, alice].map((agent) => lab.registry.find(agent)?.nodeId)).toEqual([
      three,
      'node-1',
      undefined,
    ]);
  });

  it('cannot fill the registry with names', () => {
    const { lab, evil } = attacked();
    const began = performance.now();
    for (let part = 0; part < 40; part++)
      tell(
        lab,
        evil,
        Array.from({ length: 2_500 }, (_, i) =>
          record({ agentId: `default/x-${part}-${i}` as AgentId, version: 2 + part * 2_500 + i, state: 'gone' }),
        ),
      );
    // A hundred thousand names were told, and a single change must not cost a copy of them.
    for (let version = 100_002; version < 100_500; version++)
      tell(lab, evil, [record({ agentId: alice, version, manifest: signedManifestOfAlice })]);
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(lab.registry.all()).toHaveLength(3);
    expect(lab.registry.find(alice)?.nodeId).toBe(two);
  });
  const signedManifestOfAlice = signedManifest(alice);

  it('loses its link for what is no delta, however it is written', () => {
    const head = '"v":2,"pass":0,"above":0,"upTo":9,"newest":9';
    const deep = `{${head},"records":${'['.repeat(400_000)}${']'.repeat(400_000)}}`;
    const wrong = [
      '',
      'null',
      '[]',
      deep,
      '{"v":1,"full":true,"records":[]}',
      `{${head},"records":[],"more":1}`,
      `{${head},"records":[{"__proto__":{}}]}`,
      `{"v":2,${head},"records":[]}`,
      `{${head},"records":${JSON.stringify([{ ...record(), agentId: '../etc' }])}}`,
      `{${head},"records":${JSON.stringify([record({ version: -1 })])}}`,
      `{${head},"records":${JSON.stringify([record({ version: 1.5 })])}}`,
      JSON.stringify({
        v: 2,
        pass: 0,
        above: 0,
        upTo: 9,
        newest: 9,
        records: [],
        pad: 'x'.repeat(limits.pushPullBytesMax),
      }),
    ];
    for (const text of wrong) {
      const { lab, evil } = attacked();
      lab.registry.receive(evil.link, { kind: 'registry', header: new Uint8Array(0), content: utf8.encode(text) });
      expect([evil.violations.length, text.slice(0, 60)]).toEqual([1, text.slice(0, 60)]);
      expect(lab.registry.all()).toHaveLength(3);
    }
  });
});

describe('a member in the wrong hands, with messages', () => {
  it('speaks for nobody but those it hosts, and stands in the log under its own name', () => {
    const { lab, evil } = attacked();
    for (const sender of [mallory, bob, 'default/nobody' as AgentId]) say(lab, evil, { sender });
    expect([lab.delivered, codes(evil)]).toEqual([[], ['UNAUTHORIZED', 'UNAUTHORIZED', 'UNAUTHORIZED']]);
    expect(lab.audited.map(({ type, identity }) => [type, identity])).toEqual(
      Array.from({ length: 3 }, () => ['AccessDenied', two]),
    );
  });

  it('cannot use up the room for the denials of others with senders that it makes up', () => {
    const { lab, evil, honest } = attacked();
    const window = new DenialWindow();
    for (let i = 0; i < 5_000; i++) say(lab, evil, { sender: `default/forged-${i}` as AgentId });
    const others = lab.audited.length;
    say(lab, honest, { sender: mallory, receiver: alice });
    const kept = lab.audited.map((event) => window.add({ ...event, at: 1, nodeId: 'node-1' } as AuditEvent));
    const reasons = new Set(codes(evil)).size;
    expect(kept.slice(0, others).filter((how) => how === 'write')).toHaveLength(limits.auditDenialsInFullMax * reasons);
    expect(kept.slice(others)).toEqual(['write']);
  });

  it('is heard once: replays, old boots and later ones are refused', () => {
    const { lab, evil } = attacked();
    const header = messageHeader();
    const again = () => say(lab, evil, header);
    again();
    again();
    say(lab, evil, { ...header, id: messageHeader().id });
    say(lab, evil, { epoch: 0 });
    say(lab, evil, { epoch: 2 });
    expect(lab.delivered).toHaveLength(1);
    expect(codes(evil)).toEqual(['REPLAYED', 'REPLAYED', 'UNAUTHORIZED', 'UNAUTHORIZED']);
  });

  it('cannot refuse in the name of another node, nor what it never got', async () => {
    const { lab, evil, honest } = attacked();
    tell(lab, honest, [
      record({
        agentId: 'default/carol' as AgentId,
        node: three,
        version: 2,
        manifest: signedManifest('default/carol' as AgentId),
      }),
    ]);
    lab.registry.announce(bob, signedManifest(bob, { generation: 2 }), signedCapability(bob, ['* agent:default/*']));
    const sent = lab.routing.tell(bob, { to: 'default/carol', performative: 'request', content: 'hi' });
    if (!sent.ok) throw new Error(sent.refusal.reasons[0]);
    const refusal = (messageId: string) =>
      encodeRefusal(utf8, { messageId, code: 'UNAUTHORIZED', reasons: ['\u001b[2Jnot you'] });
    const hear = ({ link }: FakeLink, messageId: string) =>
      lab.routing.receiveRefusal(link, { kind: 'refusal', header: refusal(messageId), content: new Uint8Array(0) });
    hear(evil, sent.value.id);
    hear(honest, messageHeader().id);
    expect(lab.told).toEqual([]);
    hear(honest, sent.value.id);
    hear(honest, sent.value.id);
    expect(lab.told).toHaveLength(1);
  });

  it('loses its link for a header that is not as a node writes it, and nothing else happens', () => {
    const real = withSignature(encodeMessageHeader(utf8, messageHeader()), undefined);
    const hostile = [
      ...Array.from({ length: 2_000 }, (_, i) => randomBytes(i % 300)),
      ...Array.from({ length: real.length }, (_, length) => real.subarray(0, length)),
      Buffer.concat([real, Buffer.of(0xc0)]),
      // Lengths that promise what is not there: array 32, map 32, str 32, bin 32, ext 32 of four gigabytes.
      ...[0xdd, 0xdf, 0xdb, 0xc6, 0xc9].map((type) => Buffer.of(type, 0xff, 0xff, 0xff, 0xff, 1)),
      Buffer.alloc(limits.headerBytesMax, 0x91),
      Buffer.alloc(limits.headerBytesMax, 0x81),
    ];
    const { lab, evil } = attacked();
    for (const header of hostile)
      lab.routing.receive(evil.link, { kind: 'message', header, content: new Uint8Array(0) });
    expect(evil.violations).toHaveLength(hostile.length);
    expect([lab.delivered, lab.audited, evil.sent]).toEqual([[], [], []]);
  });

  it('gets content through that is hostile to readers, as what it is', () => {
    const { lab, evil } = attacked();
    const deep = '['.repeat(100_000);
    for (const [language, content] of [
      ['json', '{"__proto__":{"admin":true}}'],
      ['json', deep + ']'.repeat(deep.length)],
      ['json', '{'],
      ['text', '\u001b]0;title\u0007'],
    ] as const)
      say(lab, evil, { language }, content);
    const contents = lab.delivered.map(({ content }) => content);
    expect(contents).toHaveLength(4);
    expect(Object.getPrototypeOf(contents[0])).toBe(Object.prototype);
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
    expect(Array.isArray(contents[1])).toBe(true);
    expect(contents[2]).toBeInstanceOf(Uint8Array);
  });
});
