import { CaxtonError, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type AgentId, isAgentId, tenantOf } from '../../names.ts';
import {
  integer,
  list,
  malformed,
  name,
  object,
  oneOf,
  parsed,
  readShape,
  type Shape,
  text,
  timeMs,
  withRule,
} from '../json/shape.ts';
import { parseJson } from '../json/text.ts';
import { type Action, actionTextShape, covers, parseAction } from './action.ts';
import { type AgentPattern, matchesAgent, parseAgentPattern } from './agent-pattern.ts';
import { type PublicKeyText, publicKeyText } from './public-key.ts';

/**
 * What an issuer grants to one agent (ADR-0016’s `SignedCapabilities`), in the form after verification. The signature
 * around it belongs to the signed document that carries it.
 */
export interface Capability {
  readonly v: 1;
  /** The id of the key that signed. */
  readonly issuer: string;
  readonly subject: AgentId;
  /** The subject’s tenant; stated so that an issuer who mixes tenants up is found out. */
  readonly tenant: string;
  /** Receivers for whom the token is meant; absent for all that the actions name. */
  readonly audience?: AgentPattern;
  /** What `parseAction` reads; none grants nothing, for an agent that only answers. */
  readonly actions: readonly string[];
  /** Milliseconds since 1970; valid from `notBefore` up to, not including, `expires`. */
  readonly notBefore: number;
  readonly expires: number;
  /** How many times more it may be delegated; above 0 only with a holder. */
  readonly depth: number;
  /** The key that may delegate it: the subject’s own, as its manifest has it. Absent: nobody’s. */
  readonly holder?: PublicKeyText;
  /** The token that this one narrows, by its document id; absent in one that a trusted issuer signed. */
  readonly parent?: string;
  /** 16 unpredictable bytes in base64url: no two tokens are alike. */
  readonly nonce: string;
}

const pattern: Shape<AgentPattern> = parsed(text(127), parseAgentPattern);

const shape = withRule(
  object(
    {
      v: oneOf(1),
      issuer: text(128, /^[A-Za-z0-9:_-]+$/, 'the id of a key'),
      subject: name(isAgentId, 'an agent (tenant/name)'),
      tenant: text(63),
      actions: list(actionTextShape, limits.tokenActionsMax),
      notBefore: timeMs,
      expires: timeMs,
      depth: integer(0, limits.proofDepthMax),
      nonce: text(22, /^[A-Za-z0-9_-]{21}[AQgw]$/, '16 bytes in base64url'),
    },
    {
      audience: pattern,
      holder: publicKeyText,
      parent: text(43, /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, 'the id of a token, 43 characters of base64url'),
    },
  ),
  (token) => {
    if (token.tenant !== tenantOf(token.subject)) return 'the tenant is not the tenant of the subject';
    if (token.expires <= token.notBefore) return 'it expires before it begins';
    if (token.depth > 0 && token.holder === undefined) return 'it may be delegated, and no holder is named who may';
    return undefined;
  },
);

/**
 * The exact text to sign: JSON with fixed key order, as UTF-8. Throws MALFORMED when the capability would not be read
 * back, so that nobody signs what nobody accepts.
 */
export function capabilityPayload(capability: Capability): string {
  const { v, issuer, subject, tenant, audience, actions, notBefore, expires, depth, holder, parent, nonce } =
    capability;
  const payload = JSON.stringify({
    v,
    issuer,
    subject,
    tenant,
    audience,
    actions,
    notBefore,
    expires,
    depth,
    holder,
    parent,
    nonce,
  });
  const read = readCapability(payload, issuer);
  if (!read.ok) throw CaxtonError.from(read.refusal);
  return payload;
}

/**
 * Reads a payload whose signature by `keyId` has been verified. LIMIT_EXCEEDED past `limits.tokenBytesMax`, MALFORMED,
 * SIGNATURE_INVALID when the issuer named inside is not the key that signed. Says nothing about time or trust.
 */
export function readCapability(payload: string, keyId: string): Result<Capability> {
  const json = parseJson(payload, { charsMax: limits.tokenBytesMax, depthMax: limits.documentDepthMax });
  if (!json.ok) return json;
  const read = readShape(shape, json.value, malformed('The capability token'));
  if (!read.ok) return read;
  const { issuer } = read.value;
  if (issuer !== keyId)
    return refuse('SIGNATURE_INVALID', `The capability token names ${issuer} as its issuer, but ${keyId} signed it.`);
  return read;
}

/**
 * Every reason why the token does not speak for this subject at this time; an empty list when it does. `now` in
 * milliseconds since 1970; clocks may differ by `skewMs`, of which at most `limits.clockSkewMsMax` is forgiven.
 */
export function checkCapability(
  capability: Capability,
  at: { readonly subject: AgentId; readonly now: number; readonly skewMs: number },
): readonly string[] {
  const reasons: string[] = [];
  const skew = Math.min(Math.max(at.skewMs, 0), limits.clockSkewMsMax);
  if (capability.subject !== at.subject)
    reasons.push(`The capability token was issued to ${capability.subject}, not to ${at.subject}.`);
  // Written so that a time that is not a number counts as outside.
  if (!(at.now + skew >= capability.notBefore))
    reasons.push(`The capability token is not valid before ${new Date(capability.notBefore).toISOString()}.`);
  if (!(at.now - skew < capability.expires))
    reasons.push(`The capability token expired at ${new Date(capability.expires).toISOString()}.`);
  return reasons;
}

/** Whether one of its actions covers `wanted`. */
export const grants = (capability: Capability, wanted: Action): boolean =>
  actionsOf(capability).some((granted) => covers(granted, wanted));

/** A token is asked about many messages: its actions are parsed once, and forgotten with it. */
const parsedActions = new WeakMap<Capability, readonly Action[]>();

function actionsOf(capability: Capability): readonly Action[] {
  const known = parsedActions.get(capability);
  if (known) return known;
  const actions = capability.actions.flatMap((action) => {
    const read = parseAction(action);
    return read.ok ? [read.value] : [];
  });
  parsedActions.set(capability, actions);
  return actions;
}

/** Whether it is meant for this receiver. */
export const isMeantFor = (capability: Capability, receiver: AgentId): boolean =>
  capability.audience === undefined || matchesAgent(capability.audience, receiver);
