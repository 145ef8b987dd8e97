import type { ErrorCode, Refusal, Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { MessageHeader } from '../acl/message.ts';
import { shown } from '../json/text.ts';
import { actionOfMessage, actionText } from './action.ts';
import { matchesAgent, matchesAny } from './agent-pattern.ts';
import { type Capability, checkCapability, grants, isMeantFor } from './capability.ts';
import { type Policy, permits } from './policy.ts';
import type { Spending } from './rate-table.ts';

/** Everything that is known about one message when it is judged. All of it was verified before, or is a refusal. */
export interface AuthorizationRequest {
  readonly header: MessageHeader;
  /**
   * Whether the sender is who the header says: it came from a local inbox, or over the link of the node that hosts
   * the sender by a registry record. A refusal says why not.
   */
  readonly sender: Result<void>;
  /** The sender’s verified token; the refusal says why one that was presented is not; `undefined`: none. */
  readonly capability: Result<Capability> | undefined;
  /** The receiver’s policies, each of which must permit the message: `policiesFor(sources, header.receiver, …)`. */
  readonly policies: readonly [Policy, ...Policy[]];
  /** The message answers one that the receiver itself sent to this sender, in the same conversation. */
  readonly isReply: boolean;
  /** The message’s own signature: it fits, it does not fit, there is none. */
  readonly signatureValid: boolean | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Forgiven difference between clocks, milliseconds. */
  readonly skewMs: number;
  /** Takes one message from the sender’s budget; called at most once, and only when all before it allows. */
  readonly spend: () => Spending;
}

/** Which check denied; of several, the first in the order of checks. */
export type Layer = 'sender' | 'capability' | 'policy' | 'rate' | 'signature' | 'fault';

export type Decision =
  | {
      readonly effect: 'allow';
      /** The policy’s name; of several all names. */
      readonly policy: string;
      readonly reasons: readonly [string, ...string[]];
    }
  | {
      readonly effect: 'deny';
      readonly layer: Layer;
      readonly policy: string;
      readonly refusal: Refusal;
      /** What was thrown inside the check, for the log of whoever runs the node; never for the sender. */
      readonly fault?: unknown;
    };

/**
 * Judges one message: sender, capability token, receiver’s policy, then rate, then signature. Denies unless everything
 * allows. Sender, token and policy are all looked at, so that a refusal carries every reason at once.
 *
 * A reply needs neither token nor allow list nor operation, yet an explicit deny, the rate and the signature still
 * hold. UNAUTHORIZED, RATE_LIMIT_EXCEEDED (with `retryAfterMs`), SIGNATURE_INVALID. Never throws: an exception inside
 * is a denial.
 */
export function authorize(request: AuthorizationRequest): Decision {
  try {
    return judge(request);
  } catch (fault) {
    return {
      ...deny('fault', 'no policy', 'UNAUTHORIZED', ['The check itself failed.']),
      fault,
    };
  }
}

const none: readonly string[] = [];

type Deny = Extract<Decision, { effect: 'deny' }>;

function judge(request: AuthorizationRequest): Decision {
  const { policies, isReply } = request;
  const name = namesOf(policies);
  const bySender = senderReasons(request);
  const byCapability = isReply ? none : capabilityReasons(request);
  const byPolicy = isReply ? none : policyReasons(request);
  if (bySender.length + byCapability.length + byPolicy.length > 0) {
    const layer = bySender.length > 0 ? 'sender' : byCapability.length > 0 ? 'capability' : 'policy';
    return deny(layer, name, 'UNAUTHORIZED', [...bySender, ...byCapability, ...byPolicy]);
  }
  const spent = request.spend();
  if (!spent.allowed) return denyRate(request, spent);
  const unsigned = signatureReason(request);
  if (unsigned !== undefined) return deny('signature', name, 'SIGNATURE_INVALID', [unsigned]);
  return { effect: 'allow', policy: name, reasons: [allowReason(request)] };
}

function senderReasons({ header, sender, policies }: AuthorizationRequest): readonly string[] {
  const reasons = sender.ok ? [] : [...sender.refusal.reasons];
  for (const policy of policies) {
    if (!matchesAgent(policy.receiver, header.receiver))
      reasons.push(`${upper(policy.name)} is not for ${header.receiver}.`);
    if (matchesAny(policy.deniedSenders, header.sender))
      reasons.push(`${upper(policy.name)} denies ${header.sender} explicitly.`);
  }
  return reasons;
}

function capabilityReasons(request: AuthorizationRequest): readonly string[] {
  const { header, capability, policies, now, skewMs } = request;
  if (!policies.some(asksForCapability)) return [];
  const wanted = actionOfMessage(header.performative, header.receiver);
  if (capability === undefined)
    return [`${header.sender} presented no capability token, and “${actionText(wanted)}” needs one.`];
  if (!capability.ok) return capability.refusal.reasons;
  const token = capability.value;
  const reasons = [...checkCapability(token, { subject: header.sender, now, skewMs })];
  if (!isMeantFor(token, header.receiver))
    reasons.push(`The capability token is meant for ${token.audience}, not for ${header.receiver}.`);
  if (!grants(token, wanted))
    reasons.push(`The capability token of ${header.sender} does not grant “${actionText(wanted)}”.`);
  return reasons;
}

function policyReasons({ header, policies }: AuthorizationRequest): readonly string[] {
  const reasons: string[] = [];
  for (const policy of policies) {
    if (!matchesAny(policy.allowedSenders, header.sender))
      reasons.push(`${upper(policy.name)} does not allow ${header.sender} as a sender.`);
    if (permits(policy, header)) continue;
    const about = [
      header.protocol && `protocol ${shown(header.protocol)}`,
      header.ontology && `ontology ${shown(header.ontology)}`,
    ];
    const detail = about.filter((text) => text !== '').join(', ');
    const operation = detail === '' ? header.performative : `${header.performative} (${detail})`;
    reasons.push(`${upper(policy.name)} does not permit the operation ${operation}.`);
  }
  return reasons;
}

function signatureReason({ header, policies, signatureValid }: AuthorizationRequest): string | undefined {
  // A signature that does not fit is refused even where none is needed: somebody changed something.
  if (signatureValid === false) return `The signature of the message is not one of ${header.sender} over these bytes.`;
  const policy = policies.find(({ requiresSignedMessages }) => requiresSignedMessages);
  if (signatureValid !== true && policy)
    return `${upper(policy.name)} requires signed messages, and this one has no signature.`;
  return undefined;
}

function allowReason({ header, policies, isReply, capability }: AuthorizationRequest): string {
  const what = `${header.sender} may ${header.performative} ${header.receiver}`;
  if (isReply) return `${what}: it answers a message of ${header.receiver}.`;
  const name = namesOf(policies);
  if (!policies.some(asksForCapability) || !capability?.ok)
    return `${what}: ${name} ${policies.length === 1 ? 'asks' : 'ask'} for no capability.`;
  return `${what}: by ${name}, and a capability token of issuer ${capability.value.issuer}.`;
}

function denyRate({ header, policies }: AuthorizationRequest, spent: Spending): Deny {
  const reason = spent.full
    ? 'The rate limiter has no room for another sender now.'
    : `${header.sender} spent its budget for ${header.receiver}.`;
  const denied = deny('rate', namesOf(policies), 'RATE_LIMIT_EXCEEDED', [reason]);
  if (!Number.isFinite(spent.retryAfterMs)) return denied;
  return { ...denied, refusal: { ...denied.refusal, retryAfterMs: spent.retryAfterMs } };
}

function deny(layer: Layer, policy: string, code: ErrorCode, reasons: readonly string[]): Deny {
  const [first = 'No reason was given.', ...more] = reasons.slice(0, limits.reasonsMax);
  return { effect: 'deny', layer, policy, refusal: { code, reasons: [first, ...more] } };
}

const asksForCapability = ({ capabilityRequired }: Policy): boolean => capabilityRequired;

/** Documents of one generation have policies of one name. */
const namesOf = (policies: AuthorizationRequest['policies']): string =>
  policies.length === 1 ? policies[0].name : [...new Set(policies.map(({ name }) => name))].join(' and ');

const upper = (name: string): string => name.slice(0, 1).toUpperCase() + name.slice(1);
