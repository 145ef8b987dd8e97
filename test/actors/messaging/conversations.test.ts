import { describe, expect, it } from 'vitest';
import { Conversations } from '../../../src/actors/messaging/conversations.ts';
import type { AgentId, NodeId } from '../../../src/names.ts';
import type { MessageHeader } from '../../../src/protocols/acl/message.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { messageHeader } from './fixtures.ts';

const alice = 'default/alice' as AgentId;
const bob = 'default/bob' as AgentId;
const mallory = 'default/mallory' as AgentId;

const said = (conversations: Conversations, header: MessageHeader): boolean => {
  const checked = conversations.check(header);
  if (checked.ok) conversations.commit(header, checked.value);
  return checked.ok;
};

describe('the right to reply', () => {
  it('is held by who was spoken to, in that conversation and towards that agent alone', () => {
    const conversations = new Conversations(new ManualClock());
    const question = messageHeader({ conversationId: 'c1' });
    expect(said(conversations, question)).toBe(true);
    const reply = { sender: bob, receiver: alice, conversationId: 'c1' };
    expect(conversations.mayReply(messageHeader(reply))).toBe(true);
    expect(conversations.mayReply(messageHeader({ ...reply, conversationId: 'c2' }))).toBe(false);
    expect(conversations.mayReply(messageHeader({ ...reply, sender: mallory }))).toBe(false);
    expect(conversations.mayReply(messageHeader({ ...reply, receiver: mallory }))).toBe(false);
    expect(conversations.mayReply(question)).toBe(false);
  });

  it('is not gained by a message that was only looked at', () => {
    const conversations = new Conversations(new ManualClock());
    conversations.check(messageHeader({ conversationId: 'c1' }));
    expect(conversations.mayReply(messageHeader({ sender: bob, receiver: alice, conversationId: 'c1' }))).toBe(false);
  });

  it('ends when the conversation was idle for an hour', () => {
    const clock = new ManualClock();
    const conversations = new Conversations(clock);
    said(conversations, messageHeader({ conversationId: 'c1' }));
    clock.advance(3_600_001);
    expect(conversations.mayReply(messageHeader({ sender: bob, receiver: alice, conversationId: 'c1' }))).toBe(false);
  });
});

describe('a conversation’s protocol', () => {
  const cfp = { conversationId: 'c', protocol: 'fipa-contract-net', performative: 'cfp' } as const;
  const propose = { ...cfp, performative: 'propose', sender: bob, receiver: alice } as const;

  it('holds both sides to its table', () => {
    const conversations = new Conversations(new ManualClock());
    expect(said(conversations, messageHeader({ ...cfp, performative: 'accept-proposal' }))).toBe(false);
    expect(said(conversations, messageHeader(cfp))).toBe(true);
    expect(said(conversations, messageHeader({ ...cfp, performative: 'accept-proposal' }))).toBe(false);
    expect(said(conversations, messageHeader(propose))).toBe(true);
    expect(said(conversations, messageHeader({ ...cfp, performative: 'accept-proposal' }))).toBe(true);
  });

  it('is kept apart for each pair of agents', () => {
    const conversations = new Conversations(new ManualClock());
    said(conversations, messageHeader(cfp));
    said(conversations, messageHeader(propose));
    expect(said(conversations, messageHeader({ ...cfp, receiver: mallory, performative: 'accept-proposal' }))).toBe(
      false,
    );
    expect(said(conversations, messageHeader({ ...cfp, receiver: mallory }))).toBe(true);
  });

  it('cannot be slipped into or out of midway', () => {
    const conversations = new Conversations(new ManualClock());
    said(conversations, messageHeader({ conversationId: 'plain', performative: 'inform' }));
    expect(
      said(conversations, messageHeader({ ...cfp, conversationId: 'plain', performative: 'accept-proposal' })),
    ).toBe(false);
    said(conversations, messageHeader(cfp));
    expect(said(conversations, messageHeader({ ...propose, protocol: '' }))).toBe(false);
  });

  it('does not move for a message that was only looked at', () => {
    const conversations = new Conversations(new ManualClock());
    conversations.check(messageHeader(cfp));
    expect(said(conversations, messageHeader({ ...cfp, performative: 'accept-proposal' }))).toBe(false);
    expect(said(conversations, messageHeader(cfp))).toBe(true);
  });
});

describe('a refusal from another node', () => {
  it('is believed once, and only from the node that the message went to', () => {
    const conversations = new Conversations(new ManualClock());
    const sent = messageHeader();
    conversations.noteSent(sent, 'node-2' as NodeId);
    expect(conversations.takeSent(sent.id, 'node-3' as NodeId)).toBeUndefined();
    expect(conversations.takeSent(sent.id, 'node-2' as NodeId)).toBe(alice);
    expect(conversations.takeSent(sent.id, 'node-2' as NodeId)).toBeUndefined();
  });
});
