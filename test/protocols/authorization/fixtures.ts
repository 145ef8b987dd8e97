import type { AgentId } from '../../../src/names.ts';
import type { MessageHeader } from '../../../src/protocols/acl/message.ts';
import type { Capability } from '../../../src/protocols/authorization/capability.ts';

/** alice may send; bob receives; mallory may not. */
export const alice = 'default/alice' as AgentId;
export const bob = 'default/bob' as AgentId;
export const mallory = 'evil/mallory' as AgentId;

export const issuer = `ed25519:${'A'.repeat(43)}`;
export const otherKey = `ed25519:${'B'.repeat(42)}A`;
/** 2025-01-01T00:00:00.000Z. */
export const now = 1_735_689_600_000;

export const capability: Capability = {
  v: 1,
  issuer,
  subject: alice,
  tenant: 'default',
  actions: ['request agent:default/*'],
  notBefore: now - 1_000,
  expires: now + 60_000,
  depth: 0,
  nonce: 'AAAAAAAAAAAAAAAAAAAAAA',
};

export const header: MessageHeader = {
  id: '01941f29-7c00-7000-8000-000000000001',
  performative: 'request',
  sender: alice,
  receiver: bob,
  language: 'json',
  ontology: '',
  protocol: '',
  conversationId: 'c1',
  replyWith: '',
  inReplyTo: '',
  replyBy: 0,
  guarantee: 'at-most-once',
  epoch: 1,
  counter: 1,
  token: '',
  trace: '',
};
