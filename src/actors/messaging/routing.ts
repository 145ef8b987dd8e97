import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { AgentId, NodeId } from '../../names.ts';
import { checkHeader } from '../../protocols/acl/bounds.ts';
import type { MessageHeader } from '../../protocols/acl/message.ts';
import type { Frame } from '../../protocols/link/frame.ts';
import { decodeMessageHeader, encodeMessageHeader, withSignature } from '../../protocols/link/message-frame.ts';
import { decodeRefusal, encodeRefusal } from '../../protocols/link/refusal-frame.ts';
import { isServiceAddress } from '../../protocols/registry/service-address.ts';
import type { AskOptions, Draft, ReceivedMessage } from '../agents/behaviour.ts';
import type { PeerLink } from '../cluster/links/links.ts';
import type { NodeEvents } from '../events.ts';
import type { Clock, Metrics } from '../kernel/ports.ts';
import { utf8 } from '../kernel/utf8.ts';
import type { Admission } from './admission.ts';
import type { AgentRegistry } from './agent-registry.ts';
import { ComposedMessage } from './composed-message.ts';
import { Content } from './content.ts';
import type { Conversations } from './conversations.ts';
import type { LocalAgents } from './local-agents.ts';
import type { MessageAuthority } from './message-authority.ts';
import { type SignatureProof, signMessage } from './message-signature.ts';
import type { PendingAsks } from './pending-asks.ts';
import type { ServiceChoice, Told } from './service-choice.ts';

/** What the router’s chart says that the path below may do. */
export type RouterMode = 'starting' | 'routing' | 'draining' | 'stopped';

export interface RoutingDependencies {
  readonly nodeId: NodeId;
  readonly bootEpoch: number;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly newId: (nowMs: number) => string;
  readonly linkTo: (node: NodeId) => PeerLink | undefined;
  readonly registry: AgentRegistry;
  readonly services: ServiceChoice;
  readonly agents: LocalAgents;
  readonly authority: MessageAuthority;
  readonly admission: Admission;
  readonly conversations: Conversations;
  readonly asks: PendingAsks;
  readonly events: NodeEvents;
  readonly showPreviews: boolean;
}

const defaultAskMs = 30_000;
const previewChars = 120;

/**
 * The path of a message, in DESIGN’s order: bounds, admission, replay, who the sender is, authority, audit, delivery.
 * Plain functions: the router’s chart sets `mode`, and nothing here costs a transition.
 */
export class Routing {
  readonly #deps: RoutingDependencies;
  mode: RouterMode = 'starting';
  #counter = 0;

  constructor(deps: RoutingDependencies) {
    this.#deps = deps;
  }

  /** Sends for a local agent, which the caller has authenticated by handing out its context and to nobody else. */
  tell(sender: AgentId, draft: Draft): Result<Told> {
    if (!isServiceAddress(draft.to)) return this.#tellOne(sender, draft);
    return this.#deps.services.tell(sender, draft, (one) => this.#tellOne(sender, one));
  }

  #tellOne(sender: AgentId, draft: Draft): Result<Told> {
    const made = this.#compose(sender, draft, undefined);
    if (!made.ok) return made;
    const sent = this.#dispatch(made.value, draft.sign === true);
    return sent.ok ? ok({ id: made.value.id, conversationId: made.value.conversationId }) : sent;
  }

  /** Sends and resolves with the answer or a refusal; never rejects. */
  async ask(sender: AgentId, draft: Draft, options: AskOptions = {}): Promise<Result<ReceivedMessage>> {
    const one = isServiceAddress(draft.to) ? this.#deps.services.one(sender, draft) : ok(draft);
    return one.ok ? this.#askOne(sender, one.value, options) : one;
  }

  async #askOne(sender: AgentId, draft: Draft, options: AskOptions): Promise<Result<ReceivedMessage>> {
    const { asks, clock } = this.#deps;
    const timeoutMs = options.timeoutMs ?? defaultAskMs;
    // The answer is known by the message’s id, so this one cannot have another `replyWith`.
    const { replyWith: _, ...question } = draft;
    const made = this.#compose(sender, question, draft.replyBy ?? Math.ceil(clock.now() + timeoutMs));
    if (!made.ok) return made;
    const message = made.value;
    const answer = asks.wait(message.id, sender, message.header.receiver, timeoutMs, options.signal);
    // Nobody waits when it was cancelled before, or when too many wait already: then nothing is sent either.
    if (!asks.has(message.id)) return answer;
    const sent = this.#dispatch(message, draft.sign === true);
    if (!sent.ok) asks.refused(message.id, sent.refusal);
    return answer;
  }

  /** A message frame from a peer. */
  receive(link: PeerLink, frame: Frame): void {
    const { metrics } = this.#deps;
    const decoded = decodeMessageHeader(utf8, frame.header);
    if (!decoded.ok) {
      metrics.count('messages_malformed');
      link.violated('malformed message header');
      return;
    }
    const { header, signature, signedBytes } = decoded.value.unverified;
    const judged = this.#judgeRemote(link, header, frame.content, signature, signedBytes);
    if (judged.ok) return;
    this.#reportRefused(header, judged.refusal, link.nodeId);
    link.send('refusal', encodeRefusal(utf8, { messageId: header.id, ...judged.refusal }));
  }

  /** A refusal frame: believed only for a message that was sent to that very node. */
  receiveRefusal(link: PeerLink, frame: Frame): void {
    const decoded = decodeRefusal(utf8, frame.header);
    if (!decoded.ok) {
      link.violated('malformed refusal');
      return;
    }
    const { messageId, ...refusal } = decoded.value.unverified;
    const sent = this.#deps.conversations.takeSent(messageId, link.nodeId);
    if (!sent) return;
    if (!this.#deps.asks.refused(messageId, refusal)) this.#deps.agents.refused(sent, refusal, messageId);
  }

  #compose(sender: AgentId, draft: Draft, replyBy: number | undefined): Result<ComposedMessage> {
    if (this.mode !== 'routing') return refuse('STOPPED', 'The node does not route messages now.');
    // Two of one name must not both speak: the others believe the node whose claim counts, and so does this one.
    const { nodeId: host = this.#deps.nodeId } = this.#deps.registry.find(sender) ?? {};
    if (host !== this.#deps.nodeId)
      return refuse('UNAUTHORIZED', `${sender} counts as living on ${host}, so it cannot send from here.`);
    const content = Content.fromValue(draft.content, draft.language);
    if (!content.ok) return content;
    const now = this.#deps.clock.now();
    const id = this.#deps.newId(now);
    const header: MessageHeader = {
      id,
      performative: draft.performative,
      sender,
      // Judged below like every other field.
      receiver: draft.to as AgentId,
      language: content.value.language,
      ontology: draft.ontology ?? '',
      protocol: draft.protocol ?? '',
      conversationId: draft.conversationId ?? id,
      replyWith: draft.replyWith ?? (replyBy === undefined ? '' : id),
      inReplyTo: draft.inReplyTo ?? '',
      replyBy: draft.replyBy ?? replyBy ?? 0,
      guarantee: 'at-most-once',
      epoch: this.#deps.bootEpoch,
      counter: ++this.#counter,
      token: draft.token ?? '',
      trace: '',
    };
    const bounds = checkHeader(header);
    return bounds.ok ? ok(new ComposedMessage(header, content.value)) : bounds;
  }

  #dispatch(message: ComposedMessage, sign: boolean): Result<void> {
    const { registry, nodeId } = this.#deps;
    const { header } = message;
    const found = registry.find(header.receiver);
    if (!found) return this.#refuseOwn(header, refuse('UNKNOWN_AGENT', `No node hosts ${header.receiver}.`));
    if (found.nodeId !== nodeId) return this.#sendRemote(message, found.nodeId, sign);
    const proof = sign ? this.#sign(message) : undefined;
    if (proof?.ok === false) return this.#refuseOwn(header, proof);
    const judged = this.#judge(message, nodeId, proof?.value);
    if (!judged.ok) this.#reportRefused(header, judged.refusal, nodeId);
    return judged;
  }

  #sendRemote(message: ComposedMessage, node: NodeId, sign: boolean): Result<void> {
    const { header } = message;
    const link = this.#deps.linkTo(node);
    if (!link)
      return this.#refuseOwn(
        header,
        refuse('UNREACHABLE', `${header.receiver} lives on ${node}, which has no link now.`),
      );
    const { conversations } = this.#deps;
    const fits = conversations.check(header);
    if (!fits.ok) return this.#refuseOwn(header, fits);
    const proof = sign ? this.#sign(message) : undefined;
    if (proof?.ok === false) return this.#refuseOwn(header, proof);
    const unsigned = proof?.value.signedBytes ?? encodeMessageHeader(utf8, header);
    const sent = link.send('message', withSignature(unsigned, proof?.value.signature), message.bytes);
    if (!sent.ok) return this.#refuseOwn(header, sent);
    conversations.commit(header, fits.value);
    conversations.noteSent(header, node);
    return ok(undefined);
  }

  #sign(message: ComposedMessage): Result<SignatureProof> {
    const signedBytes = encodeMessageHeader(utf8, message.header);
    const contentBytes = message.bytes;
    const key = this.#deps.agents.keyOf(message.header.sender);
    if (!key) return refuse('SIGNATURE_INVALID', `This node holds no key of ${message.sender} to sign with.`);
    return ok(signMessage(key, signedBytes, contentBytes));
  }

  #judgeRemote(
    link: PeerLink,
    header: MessageHeader,
    contentBytes: Uint8Array,
    signature: Uint8Array | undefined,
    signedBytes: Uint8Array,
  ): Result<void> {
    const { admission, registry, nodeId } = this.#deps;
    if (contentBytes.length > limits.contentBytesMax)
      return refuse('LIMIT_EXCEEDED', `The content is over ${limits.contentBytesMax} bytes.`);
    const admitted = admission.admit(link, header.epoch, header.counter);
    if (!admitted.ok) return admitted;
    // Zero trust between nodes: a peer speaks only for agents that the registry says it hosts.
    const sender = registry.find(header.sender);
    if (sender?.nodeId !== link.nodeId)
      return refuse('UNAUTHORIZED', `${link.nodeId} does not host ${header.sender}, so it cannot send for it.`);
    if (registry.find(header.receiver)?.nodeId !== nodeId)
      return refuse('UNKNOWN_AGENT', `${header.receiver} does not live on ${nodeId}.`);
    const message = new ComposedMessage(header, Content.fromBytes(contentBytes, header.language));
    const proof = signature && { signature, signedBytes, contentBytes };
    return this.#judge(message, link.nodeId, proof, () => admission.commit(link, header.epoch, header.counter));
  }

  #judge(
    message: ComposedMessage,
    from: NodeId,
    proof: SignatureProof | undefined,
    commit: () => Result<void> = () => ok(undefined),
  ): Result<void> {
    const { authority, asks, conversations, events, metrics, nodeId } = this.#deps;
    const { header } = message;
    const isReply = conversations.mayReply(header);
    const decision = authority.decide(header, isReply, proof);
    if (decision.effect === 'deny') return { ok: false, refusal: decision.refusal };
    const committed = commit();
    if (!committed.ok) return committed;
    // After authority, so that a refused stranger cannot disturb a conversation.
    const fits = conversations.check(header);
    if (!fits.ok) return fits;
    const late = asks.isLate(message);
    const delivered = late || asks.answered(message) ? ok(undefined) : this.#deliver(message);
    if (!delivered.ok) return delivered;
    conversations.commit(header, fits.value);
    authority.granted(header, decision);
    if (late) {
      metrics.count('answers_late');
      return delivered;
    }
    metrics.count('messages_delivered');
    events.emit({
      type: 'message.delivered',
      nodeId,
      id: header.id,
      sender: header.sender,
      receiver: header.receiver,
      performative: header.performative,
      protocol: header.protocol,
      conversationId: header.conversationId,
      from,
      ...(this.#deps.showPreviews ? { preview: message.preview(previewChars) } : {}),
    });
    return ok(undefined);
  }

  /** A node that drains still takes the answers that its agents wait for, and nothing else. */
  #deliver(message: ComposedMessage): Result<void> {
    if (this.mode !== 'routing') return refuse('STOPPED', 'The node does not route messages now.');
    return this.#deps.agents.deliver(message);
  }

  #refuseOwn(header: MessageHeader, refused: { readonly ok: false; readonly refusal: Refusal }): Result<never> {
    this.#reportRefused(header, refused.refusal, this.#deps.nodeId);
    return refused;
  }

  #reportRefused(header: MessageHeader, refusal: Refusal, from: NodeId): void {
    const { authority, events, metrics, nodeId } = this.#deps;
    metrics.count('messages_refused', { code: refusal.code });
    authority.refused(header, refusal, from);
    events.emit({
      type: 'message.refused',
      nodeId,
      id: header.id,
      sender: header.sender,
      receiver: header.receiver,
      performative: header.performative,
      refusal,
    });
  }
}
