import { ed25519PublicKey, publicKeyFromText } from '../../crypto/keys.ts';
import { verifyWith } from '../../crypto/signature.ts';
import { ok, type Refusal, type Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { AgentId, NodeId } from '../../names.ts';
import type { MessageHeader } from '../../protocols/acl/message.ts';
import type { AuditEvent } from '../../protocols/audit/record.ts';
import { authorize, type Decision } from '../../protocols/authorization/authorize.ts';
import type { Capability } from '../../protocols/authorization/capability.ts';
import type { Policy } from '../../protocols/authorization/policy.ts';
import { layeredRate, type PolicyLayers } from '../../protocols/authorization/policy-layers.ts';
import type { Rate } from '../../protocols/authorization/rate.ts';
import type { Clock } from '../kernel/ports.ts';
import type { AuditLog } from '../operations/audit/audit-log.ts';
import type { AgentRegistry } from './agent-registry.ts';
import type { MessagePolicies } from './message-policies.ts';
import { type SignatureProof, signedMessage } from './message-signature.ts';
import type { RateLimiter } from './rate-limiter.ts';
import type { Trust } from './trust.ts';

export interface MessageAuthorityOptions {
  readonly clock: Clock;
  readonly nodeId: NodeId;
  readonly registry: AgentRegistry;
  readonly trust: Trust;
  readonly policies: MessagePolicies;
  readonly limiter: RateLimiter;
  readonly audit: AuditLog;
  /** Per sender and receiver, where the receiver’s policy states none. */
  readonly defaultRate: Rate;
  /**
   * `permissive`: what the capability alone would refuse is let through and noted; `off`: capabilities are not looked
   * at. Development only.
   */
  readonly enforcement: 'strict' | 'permissive' | 'off';
}

const withoutCapability = (policy: Policy): Policy => ({ ...policy, capabilityRequired: false });

function lenient([first, ...others]: PolicyLayers): PolicyLayers {
  return [withoutCapability(first), ...others.map(withoutCapability)];
}

type JudgementFields = Pick<AuditEvent, 'reasons' | 'decision' | 'policyHash' | 'traceId'>;

/** The trace id of a W3C `traceparent`; undefined when there is none. */
const traceIdOf = (trace: string): string | undefined => /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(trace)?.[1];

/** Gathers the facts about one message, asks the pure `authorize`, and hands the decision to the audit log. */
export class MessageAuthority {
  readonly #options: MessageAuthorityOptions;
  /** By receiver, as long as neither the agents nor the policies change. */
  readonly #policies = new Map<AgentId, PolicyLayers>();

  /** How a refusal came about, for the record of it: refusals of other checks have no decision. */
  readonly #denials = new WeakMap<Refusal, Decision>();

  constructor(options: MessageAuthorityOptions) {
    this.#options = options;
    options.policies.onChanged(() => this.#policies.clear());
  }

  decide(header: MessageHeader, isReply: boolean, proof: SignatureProof | undefined): Decision {
    const decision = this.#decide(header, isReply, proof);
    if (decision.effect === 'deny') this.#denials.set(decision.refusal, decision);
    if (decision.effect === 'deny' && header.token !== '') this.#noteWidening(header);
    return decision;
  }

  #decide(header: MessageHeader, isReply: boolean, proof: SignatureProof | undefined): Decision {
    const { enforcement } = this.#options;
    const policies = this.#policiesOf(header.receiver);
    const decision = this.#judge(enforcement === 'off' ? lenient(policies) : policies, header, isReply, proof);
    if (enforcement !== 'permissive' || decision.effect === 'allow' || decision.layer !== 'capability') return decision;
    // Nothing was spent yet: the rate comes after the capability.
    const permitted = this.#judge(lenient(policies), header, isReply, proof);
    if (permitted.effect === 'allow') this.#letThrough(header, decision);
    return permitted;
  }

  #judge(policies: PolicyLayers, header: MessageHeader, isReply: boolean, proof: SignatureProof | undefined): Decision {
    const { clock, limiter, defaultRate } = this.#options;
    const signatureFits = () => proof && this.#signatureFits(header.sender, proof);
    return authorize({
      header,
      sender: ok(undefined),
      capability: this.#capabilityOf(header),
      policies,
      isReply,
      // Worked out when it is asked for, which is last: it costs more than all that may refuse before it.
      get signatureValid() {
        return signatureFits();
      },
      now: clock.now(),
      skewMs: limits.clockSkewMsMax,
      spend: () =>
        limiter.spend(`${header.sender} ${header.receiver}`, layeredRate(policies, header.sender, defaultRate)),
    });
  }

  /** Noted like a denial, because that is what it would be: the outcome says that it was none. */
  #letThrough(header: MessageHeader, denial: Extract<Decision, { effect: 'deny' }>): void {
    const { refusal } = denial;
    this.#options.audit.note({
      type: 'AccessDenied',
      identity: header.sender,
      sourceIp: '',
      outcome: 'success',
      code: refusal.code,
      ...this.#judgement(header, denial),
      reasons: refusal.reasons,
      metadata: { receiver: header.receiver, operation: header.performative, enforcement: 'permissive' },
    });
  }

  /**
   * Somebody signed away more than he had. Noted like a denial, beside that of the message: whoever presents it can do so
   * without end.
   */
  #noteWidening(header: MessageHeader): void {
    const token = this.#options.trust.capability(header.token);
    if (token.ok || token.refusal.widenedBy === undefined) return;
    this.#options.audit.note({
      type: 'PrivilegeEscalation',
      identity: header.sender,
      sourceIp: '',
      outcome: 'refused',
      code: token.refusal.code,
      reasons: token.refusal.reasons,
      metadata: { signer: token.refusal.widenedBy, receiver: header.receiver, operation: header.performative },
    });
  }

  /** Class B: the first of a sender, receiver and operation is written in full, the rest counted by the minute. */
  granted(header: MessageHeader, decision: Decision): void {
    const { sender, receiver, performative } = header;
    this.#options.audit.grant(sender, receiver, performative, () => ({
      type: 'AccessGranted',
      identity: sender,
      sourceIp: '',
      outcome: 'success',
      ...this.#judgement(header, decision),
      metadata: { sender, receiver, operation: performative, messageId: header.id },
    }));
  }

  /** What every record of a decision says about how it came about. */
  #judgement(header: MessageHeader, decision: Decision | undefined): JudgementFields {
    const traceId = traceIdOf(header.trace);
    return {
      reasons: decision?.effect === 'allow' ? decision.reasons : [],
      ...(decision && {
        decision: {
          effect: decision.effect,
          policy: decision.policy,
          ...(decision.effect === 'deny' && { layer: decision.layer }),
        },
      }),
      policyHash: this.#options.policies.hash,
      ...(traceId !== undefined && { traceId }),
    };
  }

  /** The first of a kind in full, then counted: nobody can fill the disk with refusals. */
  refused(header: MessageHeader, refusal: Refusal, from: NodeId): void {
    const { audit, nodeId, registry } = this.#options;
    const { sender } = header;
    // Whose name a node merely uses must not stand there as the one who did it, nor use up the room for its denials.
    const isProven = from === nodeId || registry.find(sender)?.nodeId === from;
    audit.note({
      type: 'AccessDenied',
      identity: isProven ? sender : from,
      sourceIp: '',
      outcome: 'refused',
      code: refusal.code,
      ...this.#judgement(header, this.#denials.get(refusal)),
      reasons: refusal.reasons,
      metadata: { sender, receiver: header.receiver, operation: header.performative, from, messageId: header.id },
    });
  }

  /** An agent’s policy may come with its manifest: forget what was worked out when agents change. */
  agentsChanged(): void {
    this.#policies.clear();
  }

  #policiesOf(receiver: AgentId): PolicyLayers {
    const known = this.#policies.get(receiver);
    if (known) return known;
    const { policies, registry } = this.#options;
    const layers = policies.for(receiver, registry.find(receiver)?.manifest.policy);
    this.#policies.set(receiver, layers);
    return layers;
  }

  #capabilityOf(header: MessageHeader): Result<Capability> | undefined {
    if (header.token !== '') return this.#options.trust.capability(header.token);
    const capability = this.#options.registry.find(header.sender)?.capability;
    return capability && ok(capability);
  }

  #signatureFits(sender: AgentId, proof: SignatureProof): boolean {
    const text = this.#options.registry.find(sender)?.manifest.agentKey;
    const raw = text === undefined ? undefined : publicKeyFromText(text);
    const key = raw?.ok ? ed25519PublicKey(raw.value) : undefined;
    if (!key?.ok) return false;
    return verifyWith(
      key.value,
      'caxton message v1',
      signedMessage(proof.signedBytes, proof.contentBytes),
      proof.signature,
    );
  }
}
