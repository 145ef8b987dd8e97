import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { refuse } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import type { AgentId } from '../../../src/names.ts';
import type { MessageHeader } from '../../../src/protocols/acl/message.ts';
import { decodeMessageHeader, encodeMessageHeader, withSignature } from '../../../src/protocols/link/message-frame.ts';
import { decodeRefusal, encodeRefusal } from '../../../src/protocols/link/refusal-frame.ts';
import { settle } from '../../../src/testing/manual-clock.ts';
import { messageHeader } from './fixtures.ts';
import {
  alice,
  bob,
  type FakeLink,
  type LabOptions,
  type MessagingLab,
  mallory,
  messagingLab,
  one,
  registryRecord,
  signedCapability,
  signedManifest,
  tellRegistry,
  three,
  two,
} from './messaging-lab.ts';

const mayAsk = signedCapability(alice, ['* agent:default/*']);

/** What a peer says about an agent that it hosts. */
function announced(lab: MessagingLab, peer: FakeLink, agentId: AgentId, capability = ''): void {
  version += 1;
  tellRegistry(lab, peer, [registryRecord({ agentId, node: peer.link.nodeId, version, capability })]);
}
let version = 0;

/** alice and bob both live here. */
function local(options: LabOptions = {}) {
  const lab = messagingLab(options);
  lab.registry.announce(alice, signedManifest(alice), mayAsk);
  lab.registry.announce(bob, signedManifest(bob), '');
  return lab;
}

/** bob lives here, alice on node-2. */
function hosting(options: LabOptions = {}) {
  const lab = messagingLab(options);
  const link = lab.connect(two);
  lab.registry.announce(bob, signedManifest(bob), '');
  announced(lab, link, alice, mayAsk);
  link.sent.length = 0;
  return { lab, link };
}

/** alice lives here, bob on node-2. */
function asking() {
  const lab = messagingLab();
  const link = lab.connect(two);
  lab.registry.announce(alice, signedManifest(alice), mayAsk);
  announced(lab, link, bob);
  link.sent.length = 0;
  return { lab, link };
}

function receive(lab: MessagingLab, { link }: FakeLink, header: MessageHeader, content = 'hi'): void {
  const bytes = withSignature(encodeMessageHeader(utf8, header), undefined);
  lab.routing.receive(link, { kind: 'message', header: bytes, content: utf8.encode(content) });
}

/** Codes of the refusals that went back over a link. */
const refusals = ({ sent }: FakeLink): string[] =>
  sent.flatMap(({ kind, header }) => {
    const read = kind === 'refusal' ? decodeRefusal(utf8, header) : undefined;
    return read?.ok ? [read.value.unverified.code] : [];
  });

const headerOf = (link: FakeLink): MessageHeader => {
  const read = decodeMessageHeader(utf8, link.sent.find(({ kind }) => kind === 'message')!.header);
  if (!read.ok) throw new Error('no message was sent');
  return read.value.unverified.header;
};

const request = { to: bob, performative: 'request', content: 'hi' } as const;

describe('a message between agents of one node', () => {
  it('is delivered when all allows, counted, shown and granted in the audit log', () => {
    const lab = local();
    const told = lab.routing.tell(alice, request);
    expect(told.ok).toBe(true);
    expect(lab.delivered).toMatchObject([{ sender: alice, content: 'hi', performative: 'request' }]);
    expect(lab.audited).toMatchObject([{ type: 'AccessGranted', identity: alice, metadata: { receiver: bob } }]);
    expect(lab.emitted).toMatchObject([{ type: 'message.delivered', sender: alice, from: one, preview: 'hi' }]);
  });

  it('is refused to its sender, counted and audited when the policy does not permit it', () => {
    const lab = local();
    expect(lab.routing.tell(alice, { ...request, performative: 'subscribe' })).toMatchObject({
      refusal: { code: 'UNAUTHORIZED' },
    });
    expect(lab.delivered).toEqual([]);
    expect(lab.audited).toMatchObject([{ type: 'AccessDenied', identity: alice, code: 'UNAUTHORIZED' }]);
    expect(lab.emitted).toMatchObject([{ type: 'message.refused', refusal: { code: 'UNAUTHORIZED' } }]);
  });

  it.each([
    ['an unknown receiver', { to: 'default/nobody' as AgentId }, 'UNKNOWN_AGENT'],
    ['a receiver that is no agent id', { to: 'nobody' as AgentId }, 'MALFORMED'],
    ['content that cannot be said', { content: undefined }, 'MALFORMED'],
    ['content over the limit', { content: 'x'.repeat(limits.contentBytesMax + 1) }, 'LIMIT_EXCEEDED'],
    ['a signature without a key', { sign: true }, 'SIGNATURE_INVALID'],
    [
      'a step out of its protocol',
      { performative: 'accept-proposal', protocol: 'fipa-contract-net' },
      'PROTOCOL_VIOLATION',
    ],
  ] as const)('is refused for %s', (_, over, code) => {
    const lab = local();
    expect(lab.routing.tell(alice, { ...request, ...over })).toMatchObject({ refusal: { code } });
    expect(lab.delivered).toEqual([]);
  });

  it.each(['starting', 'draining', 'stopped'] as const)('is refused while the router is %s', (mode) => {
    const lab = local();
    lab.routing.mode = mode;
    expect(lab.routing.tell(alice, request)).toMatchObject({ refusal: { code: 'STOPPED' } });
  });

  it('moves no conversation when it is refused or cannot be delivered', () => {
    const lab = local();
    lab.deliverWith(() => refuse('INBOX_FULL', 'Full.'));
    const cfp = { ...request, performative: 'cfp', protocol: 'fipa-contract-net', conversationId: 'c' } as const;
    expect(lab.routing.tell(alice, cfp)).toMatchObject({ refusal: { code: 'INBOX_FULL' } });
    expect(
      lab.routing.tell(bob, { to: alice, performative: 'propose', content: '', conversationId: 'c' }),
    ).toMatchObject({ refusal: { code: 'UNAUTHORIZED' } });
    lab.deliverWith(() => ({ ok: true, value: undefined }));
    expect(lab.routing.tell(alice, cfp).ok).toBe(true);
  });
});

describe('an ask', () => {
  it('is answered by a reply, which needs no right of its own', async () => {
    const lab = local();
    const answer = lab.routing.ask(alice, request);
    const [question] = lab.delivered;
    const reply = { to: alice, performative: 'inform', content: 'yes', inReplyTo: question!.id } as const;
    expect(lab.routing.tell(bob, { ...reply, conversationId: 'another' })).toMatchObject({ ok: false });
    expect(lab.routing.tell(bob, { ...reply, conversationId: question!.conversationId }).ok).toBe(true);
    expect(await answer).toMatchObject({ ok: true, value: { content: 'yes', sender: bob } });
    expect(lab.delivered).toHaveLength(1);
  });

  it('that has ended already leaves a late answer to be counted, and its asker alone', async () => {
    const lab = local();
    const controller = new AbortController();
    const answer = lab.routing.ask(alice, request, { signal: controller.signal });
    const { id, conversationId } = lab.delivered[0]!;
    controller.abort();
    expect(await answer).toMatchObject({ refusal: { code: 'CANCELLED' } });
    const reply = { to: alice, performative: 'inform', content: 'yes', inReplyTo: id, conversationId } as const;
    expect(lab.routing.tell(bob, reply).ok).toBe(true);
    expect(lab.delivered).toHaveLength(1);
    expect(lab.metrics.read().find(({ name }) => name === 'answers_late')?.value).toBe(1);
  });

  it('knows its answer by the message’s id, whatever the draft says', async () => {
    const lab = local();
    const answer = lab.routing.ask(alice, { ...request, replyWith: 'mine' });
    const { header, id } = lab.delivered[0]!;
    expect(header.replyWith).toBe(id);
    const { conversationId, replyWith } = header;
    lab.routing.tell(bob, { to: alice, performative: 'inform', content: '', conversationId, inReplyTo: replyWith });
    expect(await answer).toMatchObject({ ok: true });
  });

  it('sends nothing when it was cancelled before', async () => {
    const lab = local();
    expect(await lab.routing.ask(alice, request, { signal: AbortSignal.abort() })).toMatchObject({
      refusal: { code: 'CANCELLED' },
    });
    expect([lab.delivered, lab.asks.size]).toEqual([[], 0]);
  });

  it('ends at once with a local refusal, and waits for nothing', async () => {
    const lab = local();
    expect(await lab.routing.ask(alice, { ...request, performative: 'subscribe' })).toMatchObject({
      refusal: { code: 'UNAUTHORIZED' },
    });
    expect(lab.asks.size).toBe(0);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('is malformed with a time of %s', async (timeoutMs) => {
    expect(await local().routing.ask(alice, request, { timeoutMs })).toMatchObject({ refusal: { code: 'MALFORMED' } });
  });

  it('takes a time that is not whole', async () => {
    const lab = local();
    void lab.routing.ask(alice, request, { timeoutMs: 12.5 });
    expect(lab.delivered).toHaveLength(1);
  });
});

describe('a message to another node', () => {
  it('goes over the link of the node that hosts the receiver', () => {
    const { lab, link } = asking();
    expect(lab.routing.tell(alice, request).ok).toBe(true);
    expect(headerOf(link)).toMatchObject({ sender: alice, receiver: bob, epoch: 1, counter: 1 });
    expect(link.sent[0]!.content).toEqual(new Uint8Array(Buffer.from('hi')));
  });

  it('is refused and audited without a link, or with one that takes no more', () => {
    const { lab, link } = asking();
    link.answer = refuse('UNREACHABLE', 'Full.');
    const cfp = { ...request, performative: 'cfp', protocol: 'fipa-contract-net', conversationId: 'c' } as const;
    expect(lab.routing.tell(alice, cfp)).toMatchObject({ refusal: { code: 'UNREACHABLE' } });
    expect(lab.audited).toMatchObject([{ type: 'AccessDenied', code: 'UNREACHABLE' }]);
    link.answer = { ok: true, value: undefined };
    // What was not sent moved nothing.
    expect(lab.routing.tell(alice, cfp).ok).toBe(true);
    lab.disconnect(two);
    expect(lab.routing.tell(alice, request)).toMatchObject({ refusal: { code: 'UNREACHABLE' } });
  });

  it('has the refusal of that node believed: it ends the ask', async () => {
    const { lab, link } = asking();
    const answer = lab.routing.ask(alice, request);
    const refusal = { code: 'UNAUTHORIZED', reasons: ['No.'] } as const;
    const header = encodeRefusal(utf8, { messageId: headerOf(link).id, ...refusal });
    const frame = { kind: 'refusal', header, content: new Uint8Array(0) } as const;
    lab.routing.receiveRefusal(lab.connect(three).link, frame);
    await settle(1);
    expect(lab.asks.size).toBe(1);
    lab.routing.receiveRefusal(link.link, frame);
    expect(await answer).toMatchObject({ refusal });
    expect(lab.told).toEqual([]);
  });

  it('has the refusal of that node told to the agent when nobody waits, once', () => {
    const { lab, link } = asking();
    lab.routing.tell(alice, request);
    const messageId = headerOf(link).id;
    const header = encodeRefusal(utf8, { messageId, code: 'INBOX_FULL', reasons: ['Full.'] });
    for (let i = 0; i < 2; i++)
      lab.routing.receiveRefusal(link.link, { kind: 'refusal', header, content: new Uint8Array(0) });
    expect(lab.told).toEqual([{ agent: alice, messageId, refusal: { code: 'INBOX_FULL', reasons: ['Full.'] } }]);
  });

  it('closes a link whose refusal is malformed', () => {
    const { lab, link } = asking();
    lab.routing.receiveRefusal(link.link, { kind: 'refusal', header: new Uint8Array(3), content: new Uint8Array(0) });
    expect(link.violations).toEqual(['malformed refusal']);
  });
});

describe('a message from another node', () => {
  it('is delivered when that node hosts the sender and all else allows', () => {
    const { lab, link } = hosting();
    receive(lab, link, messageHeader());
    expect(lab.delivered).toMatchObject([{ sender: alice, content: 'hi' }]);
    expect(refusals(link)).toEqual([]);
  });

  it('is refused when another node hosts the sender', () => {
    const { lab } = hosting();
    const other = lab.connect(three);
    receive(lab, other, messageHeader());
    expect([lab.delivered, refusals(other)]).toEqual([[], ['UNAUTHORIZED']]);
    // alice did nothing: her name was only used.
    expect(lab.audited).toMatchObject([
      { type: 'AccessDenied', identity: three, metadata: { sender: alice, from: three } },
    ]);
  });

  it('is refused when it pretends to come from an agent of this node or of none', () => {
    const { lab, link } = hosting();
    receive(lab, link, messageHeader({ sender: bob }));
    receive(lab, link, messageHeader({ sender: mallory }));
    expect([lab.delivered, refusals(link)]).toEqual([[], ['UNAUTHORIZED', 'UNAUTHORIZED']]);
  });

  it('is refused when its receiver lives elsewhere or nowhere', () => {
    const { lab, link } = hosting();
    receive(lab, link, messageHeader({ receiver: mallory }));
    receive(lab, link, messageHeader({ receiver: alice }));
    expect([lab.delivered, refusals(link)]).toEqual([[], ['UNKNOWN_AGENT', 'UNKNOWN_AGENT']]);
  });

  it('is refused the second time, and its counter is not spent by a refusal', () => {
    const { lab, link } = hosting();
    const header = messageHeader();
    lab.deliverWith(() => ({ ok: true, value: undefined }));
    receive(lab, link, { ...header, performative: 'subscribe' });
    receive(lab, link, header);
    receive(lab, link, header);
    expect([lab.delivered.length, refusals(link)]).toEqual([1, ['UNAUTHORIZED', 'REPLAYED']]);
  });

  it('closes the link when its header is malformed', () => {
    const { lab, link } = hosting();
    lab.routing.receive(link.link, { kind: 'message', header: new Uint8Array([1, 2]), content: new Uint8Array(0) });
    expect(link.violations).toEqual(['malformed message header']);
    expect(link.sent).toEqual([]);
  });

  it('is refused over the limit of content, before anything costly', () => {
    const { lab, link } = hosting();
    receive(lab, link, messageHeader(), 'x'.repeat(limits.contentBytesMax + 1));
    expect(refusals(link)).toEqual(['LIMIT_EXCEEDED']);
  });

  it('is refused while the node drains, unless it is an answer that somebody waits for', async () => {
    const { lab, link } = asking();
    const answer = lab.routing.ask(alice, request);
    const { id, conversationId } = headerOf(link);
    lab.routing.mode = 'draining';
    const reply = { sender: bob, receiver: alice, performative: 'inform', conversationId } as const;
    receive(lab, link, messageHeader(reply));
    expect([lab.delivered, refusals(link)]).toEqual([[], ['STOPPED']]);
    receive(lab, link, messageHeader({ ...reply, inReplyTo: id }));
    expect(await answer).toMatchObject({ ok: true });
  });
});
