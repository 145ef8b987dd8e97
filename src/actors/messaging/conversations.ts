import { LRUCache } from 'lru-cache';
import { ok, type Result, refuse } from '../../errors.ts';
import type { AgentId, NodeId } from '../../names.ts';
import { type ConversationState, conversationStep, startConversation } from '../../protocols/acl/conversation.ts';
import type { MessageHeader } from '../../protocols/acl/message.ts';
import { protocolTable } from '../../protocols/acl/protocol-table.ts';
import type { Clock } from '../kernel/ports.ts';

/** Conversations that a node remembers; past it the one idle for longest is forgotten, and with it its rights. */
const conversationsMax = 65_536;
/** How long an idle conversation keeps its right to reply. */
const idleMsMax = 3_600_000;
/** Messages sent to other nodes whose refusal is still believed. */
const sentMax = 65_536;

interface Conversation {
  readonly initiator: AgentId;
  /** As the first message named it; empty for a conversation without one. */
  readonly protocol: string;
  /** The agents of the two that have sent something in it. */
  readonly spoke: Set<AgentId>;
  readonly state: ConversationState | undefined;
}

/**
 * What this node knows of running conversations, between two agents each: who may reply to whom, and where in its
 * protocol the conversation is. Judging and remembering are apart: nothing changes before a message is authorised.
 */
export class Conversations {
  readonly #known: LRUCache<string, Conversation>;
  readonly #sent: LRUCache<string, { readonly agent: AgentId; readonly node: NodeId }>;

  constructor(clock: Clock) {
    // The cache takes a time of 0 for “never”, and would keep a reading of its clock for a while.
    const perf = { now: () => clock.monotonic() + 1 };
    this.#known = new LRUCache({ max: conversationsMax, ttl: idleMsMax, ttlResolution: 0, updateAgeOnGet: true, perf });
    this.#sent = new LRUCache({ max: sentMax });
  }

  /** Whether the receiver has spoken to this sender in this conversation: then the sender may answer. */
  mayReply(header: MessageHeader): boolean {
    return this.#known.get(keyOf(header))?.spoke.has(header.receiver) ?? false;
  }

  /** Whether the act fits the conversation’s protocol. PROTOCOL_VIOLATION; changes nothing. */
  check(header: MessageHeader): Result<Conversation> {
    const known = this.#known.get(keyOf(header));
    const table = header.protocol === '' ? undefined : protocolTable(header.protocol);
    if (!known) {
      const state = table && startConversation(table);
      return this.#stepped(header, { initiator: header.sender, protocol: header.protocol, spoke: new Set(), state });
    }
    if (known.protocol !== header.protocol)
      return refuse('PROTOCOL_VIOLATION', `The conversation runs “${known.protocol}”, not “${header.protocol}”.`);
    return this.#stepped(header, known);
  }

  /** Remembers an authorised message, with what `check` gave for it. */
  commit(header: MessageHeader, conversation: Conversation): void {
    conversation.spoke.add(header.sender);
    this.#known.set(keyOf(header), conversation);
  }

  /** Remembers that a message went to another node, whose refusal of it is to be believed. */
  noteSent(header: MessageHeader, node: NodeId): void {
    this.#sent.set(header.id, { agent: header.sender, node });
  }

  /** The sender of a message that went to that node; once. */
  takeSent(messageId: string, node: NodeId): AgentId | undefined {
    const sent = this.#sent.get(messageId);
    if (sent?.node !== node) return undefined;
    this.#sent.delete(messageId);
    return sent.agent;
  }

  #stepped(header: MessageHeader, conversation: Conversation): Result<Conversation> {
    if (!conversation.state) return ok(conversation);
    const by = header.sender === conversation.initiator ? 'initiator' : 'participant';
    const next = conversationStep(conversation.state, { act: header.performative, by });
    return next.ok ? ok({ ...conversation, state: next.value }) : next;
  }
}

/** The same for both directions: one conversation, two agents. */
const keyOf = ({ conversationId, sender, receiver }: MessageHeader): string =>
  sender < receiver ? `${conversationId} ${sender} ${receiver}` : `${conversationId} ${receiver} ${sender}`;
