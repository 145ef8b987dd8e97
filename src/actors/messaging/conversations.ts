import { ok, type Result, refuse } from '../../errors.ts';
import type { AgentId, NodeId } from '../../names.ts';
import { type ConversationState, conversationStep, startConversation } from '../../protocols/acl/conversation.ts';
import { protocolTable } from '../../protocols/acl/interaction-protocols.ts';
import type { MessageHeader } from '../../protocols/acl/message.ts';
import type { Clock } from '../kernel/ports.ts';
import { RecentMap } from './recent-map.ts';

/** Conversations that a node is certain to remember; what is forgotten is the one idle for longest, with its rights. */
const conversationsMin = 32_768;
/** How long an idle conversation keeps its right to reply. */
const idleMsMax = 3_600_000;
/** Messages sent to other nodes whose refusal is certain to be believed still. */
const sentMin = 32_768;

interface Conversation {
  readonly initiator: AgentId;
  readonly participant: AgentId;
  /** As the first message named it; empty for a conversation without one. */
  readonly protocol: string;
  initiatorSpoke: boolean;
  participantSpoke: boolean;
  /** Monotonic milliseconds. */
  usedMs: number;
  readonly state: ConversationState | undefined;
}

/**
 * What this node knows of running conversations, between two agents each: who may reply to whom, and where in its
 * protocol the conversation is. Judging and remembering are apart: nothing changes before a message is authorised.
 */
export class Conversations {
  readonly #clock: Clock;
  /** By conversation id. */
  readonly #known = new RecentMap<Conversation>(conversationsMin);
  /** Those whose id other agents use as well, which nobody hinders strangers from: by id and agents. */
  readonly #sharing = new RecentMap<Conversation>(conversationsMin);
  readonly #sent = new RecentMap<{ readonly agent: AgentId; readonly node: NodeId }>(sentMin);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the receiver has spoken to this sender in this conversation: then the sender may answer. */
  mayReply(header: MessageHeader): boolean {
    const known = this.#find(header);
    if (!known) return false;
    return header.receiver === known.initiator ? known.initiatorSpoke : known.participantSpoke;
  }

  /** Whether the act fits the conversation’s protocol. PROTOCOL_VIOLATION; changes nothing. */
  check(header: MessageHeader): Result<Conversation> {
    const known = this.#find(header);
    if (!known) return this.#stepped(header, this.#begun(header));
    if (known.protocol !== header.protocol)
      return refuse('PROTOCOL_VIOLATION', `The conversation runs “${known.protocol}”, not “${header.protocol}”.`);
    return this.#stepped(header, known);
  }

  /** Remembers an authorised message, with what `check` gave for it. */
  commit(header: MessageHeader, conversation: Conversation): void {
    if (header.sender === conversation.initiator) conversation.initiatorSpoke = true;
    else conversation.participantSpoke = true;
    conversation.usedMs = this.#clock.monotonic();
    const first = this.#known.get(header.conversationId);
    if (first === conversation) return;
    if (!first || isBetween(first, header)) this.#known.set(header.conversationId, conversation);
    else this.#sharing.set(keyOf(header), conversation);
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

  #find(header: MessageHeader): Conversation | undefined {
    let found = this.#known.get(header.conversationId);
    if (found && !isBetween(found, header)) found = undefined;
    if (!found && this.#sharing.size > 0) found = this.#sharing.get(keyOf(header));
    return found && this.#clock.monotonic() - found.usedMs <= idleMsMax ? found : undefined;
  }

  #begun({ sender, receiver, protocol }: MessageHeader): Conversation {
    const table = protocol === '' ? undefined : protocolTable(protocol);
    return {
      initiator: sender,
      participant: receiver,
      protocol,
      initiatorSpoke: false,
      participantSpoke: false,
      usedMs: 0,
      state: table && startConversation(table),
    };
  }

  #stepped(header: MessageHeader, conversation: Conversation): Result<Conversation> {
    if (!conversation.state) return ok(conversation);
    const by = header.sender === conversation.initiator ? 'initiator' : 'participant';
    const next = conversationStep(conversation.state, { act: header.performative, by });
    return next.ok ? ok({ ...conversation, state: next.value }) : next;
  }
}

const isBetween = ({ initiator, participant }: Conversation, { sender, receiver }: MessageHeader): boolean =>
  (sender === initiator && receiver === participant) || (sender === participant && receiver === initiator);

/** The same for both directions: one conversation, two agents. */
const keyOf = ({ conversationId, sender, receiver }: MessageHeader): string =>
  sender < receiver ? `${conversationId} ${sender} ${receiver}` : `${conversationId} ${receiver} ${sender}`;
