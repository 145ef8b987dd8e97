import fc from 'fast-check';
import type { AgentId } from '../../../src/names.ts';
import type { MessageHeader } from '../../../src/protocols/acl/message.ts';
import { performatives } from '../../../src/protocols/acl/performative.ts';
import { uuidV7 } from '../../../src/protocols/acl/uuid.ts';

export const agentId = (text: string): AgentId => text as AgentId;

export const headerOf = (more: Partial<MessageHeader> = {}): MessageHeader => ({
  id: '0192a3b4-c5d6-7e8f-9a0b-c1d2e3f4a5b6',
  performative: 'request',
  sender: agentId('default/alice'),
  receiver: agentId('default/bob'),
  language: 'json',
  ontology: '',
  protocol: 'fipa-request',
  conversationId: 'talk-1',
  replyWith: '',
  inReplyTo: '',
  replyBy: 0,
  guarantee: 'at-most-once',
  epoch: 1,
  counter: 1,
  token: '',
  trace: '',
  ...more,
});

const name = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,62}$/);
const agent = fc.tuple(name, name).map(([tenant, local]) => agentId(`${tenant}/${local}`));
/** Well-formed text of at most 255 UTF-16 units: ASCII, and anything else. */
const text = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 127 }),
  fc.constantFrom('', 'x'.repeat(255), '€'.repeat(255), '😀'.repeat(127)),
);
const anyId = fc
  .tuple(fc.integer({ min: 0, max: 2 ** 48 - 1 }), fc.uint8Array({ minLength: 10, maxLength: 10 }))
  .map(([now, random]) => uuidV7(now, random));

/** Any header within the bounds. */
export const anyHeader: fc.Arbitrary<MessageHeader> = fc.record({
  id: anyId,
  performative: fc.constantFrom(...performatives),
  sender: agent,
  receiver: agent,
  language: text,
  ontology: text,
  protocol: text,
  conversationId: text,
  replyWith: text,
  inReplyTo: text,
  replyBy: fc.maxSafeNat(),
  guarantee: fc.constantFrom('at-most-once' as const, 'at-least-once' as const, 'exactly-once' as const),
  epoch: fc.integer({ min: 0, max: 0xffff_ffff }),
  counter: fc.maxSafeNat(),
  token: fc.oneof(fc.stringMatching(/^[A-Za-z0-9_.-]{0,80}$/), fc.constant('t'.repeat(8_192))),
  trace: text,
});
