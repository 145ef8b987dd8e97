import type { KeyObject } from 'node:crypto';
import { keyIdOf, publicKeyToText, rawPublicKey } from '../../crypto/keys.ts';
import type { Crypto } from '../../crypto/port.ts';
import { documentId, signDocument } from '../../crypto/signed-document.ts';
import { CaxtonError, ok, type Result, refuse } from '../../errors.ts';
import { type AgentId, isAgentId } from '../../names.ts';
import { type Capability, capabilityPayload } from '../../protocols/authorization/capability.ts';
import { chainText, type Narrowing, narrowed, readChain } from '../../protocols/authorization/delegation.ts';
import { shown } from '../../protocols/json/text.ts';
import type { Grant } from '../agents/behaviour.ts';
import { utf8 } from '../kernel/utf8.ts';
import type { AgentRegistry } from './agent-registry.ts';
import type { Trust } from './trust.ts';

export interface DelegationParts {
  readonly trust: Trust;
  readonly registry: AgentRegistry;
  readonly crypto: Crypto;
  /** The private key of an agent that lives here, where the node holds it. */
  readonly keyOf: (agent: AgentId) => KeyObject | undefined;
}

/**
 * Narrows a token that `holder` may use for another agent, and signs it with the holder’s key. Nobody else is asked: whoever
 * receives it verifies the whole chain.
 *
 * The text of the chain. UNAUTHORIZED with every reason when it would be wider than what is held, or the holder holds
 * nothing that it may delegate; UNKNOWN_AGENT when it is to go further and nobody knows the other’s key; MALFORMED.
 */
export function delegate(parts: DelegationParts, holder: AgentId, grant: Grant): Result<string> {
  const { trust, registry, crypto, keyOf } = parts;
  const text = grant.token ?? registry.ownDocuments(holder)?.capability ?? '';
  if (text === '') return refuse('UNAUTHORIZED', `${holder} has no capability token, so it has nothing to delegate.`);
  if (!isAgentId(grant.to)) return refuse('MALFORMED', `“${shown(String(grant.to))}” is not an agent.`);
  const parent = trust.capability(text);
  if (!parent.ok) return parent;
  const key = keyOf(holder);
  if (!key) return refuse('UNAUTHORIZED', `This node holds no key of ${holder} to sign with.`);
  if (parent.value.subject !== holder)
    return refuse('UNAUTHORIZED', `The capability token is one of ${parent.value.subject}, not of ${holder}.`);
  const { to: subject, token: _, depth = 0, ...rest } = grant;
  const next = depth > 0 ? registry.find(subject)?.manifest.agentKey : undefined;
  if (depth > 0 && next === undefined)
    return refuse(
      'UNKNOWN_AGENT',
      `${subject} could not delegate it further: no node hosts it, so nobody knows its key.`,
    );
  return narrow(text, parent.value, key, crypto, {
    subject,
    depth,
    ...rest,
    ...(next !== undefined && { holder: next }),
  });
}

/**
 * The chain with one more token, which narrows `parent`, its last: signed with `key`, which has to be the holder’s.
 * UNAUTHORIZED with every reason when it would be wider or the key is another; MALFORMED, LIMIT_EXCEEDED when nobody would
 * read it.
 */
export function narrow(
  text: string,
  parent: Capability,
  key: KeyObject,
  crypto: Crypto,
  by: Narrowing,
): Result<string> {
  if (parent.holder !== publicKeyToText(rawPublicKey(key)))
    return refuse(
      'UNAUTHORIZED',
      `The capability token does not say that ${parent.subject} may delegate it with this key.`,
    );
  const chain = readChain(text);
  if (!chain.ok) return chain;
  const nonce = Buffer.from(crypto.randomBytes(16)).toString('base64url');
  const child = narrowed(parent, documentId(chain.value.at(-1)!), keyIdOf(key), { ...by, nonce });
  if (!child.ok) return child;
  try {
    const signed = signDocument('capability', key, utf8.encode(capabilityPayload(child.value)));
    const longer = chainText([...chain.value, signed]);
    const fits = readChain(longer);
    return fits.ok ? ok(longer) : fits;
  } catch (error) {
    // What may not be written is told like everything else that may not be.
    if (error instanceof CaxtonError) return refuse(error.code, error.reasons[0] ?? error.message);
    throw error;
  }
}
