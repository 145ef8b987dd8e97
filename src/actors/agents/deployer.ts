import type { KeyObject } from 'node:crypto';
import { keyIdOf, publicKeyToText, rawPublicKey } from '../../crypto/keys.ts';
import type { Crypto } from '../../crypto/port.ts';
import { signDocument } from '../../crypto/signed-document.ts';
import { type AgentId, type NodeId, tenantOf } from '../../names.ts';
import { capabilityPayload } from '../../protocols/authorization/capability.ts';
import type { PolicyRules } from '../../protocols/authorization/policy-rules.ts';
import { type AgentKind, type Manifest, manifestPayload } from '../../protocols/deployment/manifest.ts';
import type { SignedDeployment } from './stored-deployment.ts';

/** What a deployer states about an agent. */
export interface DeploymentFacts {
  readonly agentId: AgentId;
  readonly kind: AgentKind;
  readonly code: Manifest['code'];
  readonly services: readonly string[];
  /** What its capability grants, such as `request agent:default/*`; none for an agent that only answers. */
  readonly actions: readonly string[];
  /** The agent’s own Ed25519 key, public or private: whose signatures count as the agent’s. */
  readonly agentKey: KeyObject;
  readonly nodes: readonly NodeId[];
  readonly generation: number;
  readonly policy?: PolicyRules;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** How long the capability is valid. */
  readonly validForMs: number;
  /** Who signs the capability; default: the deployer. */
  readonly issuer?: KeyObject;
  /** How many times its capability may be handed on, by the agent with its own key; default 0. */
  readonly delegations?: number;
}

/** Clocks differ: what was signed here a moment ago must be valid there. */
const backdatedMs = 60_000;

/**
 * Signs a manifest and the capability token beside it. `deployer` is the Ed25519 private key that the cluster’s trust
 * notice names as deployer, and as issuer where the facts name none; `sign` makes the documents. Throws MALFORMED or LIMIT_EXCEEDED when the facts would be refused by a node.
 */
export function signDeployment(
  deployer: KeyObject,
  facts: DeploymentFacts,
  crypto: Crypto,
  sign: (
    ...document: [kind: 'deployment' | 'capability', key: KeyObject, payload: Uint8Array]
  ) => string = signDocument,
): SignedDeployment {
  const { agentId, kind, code, services, actions, nodes, generation, policy, now, validForMs, delegations = 0 } = facts;
  const { issuer = deployer } = facts;
  const agentKey = publicKeyToText(rawPublicKey(facts.agentKey));
  const tenant = tenantOf(agentId);
  const manifest = manifestPayload({
    v: 1,
    agentId,
    kind,
    code,
    tenant,
    services,
    capabilities: actions,
    agentKey,
    placement: { nodes },
    generation,
    ...(policy && { policy }),
    issuedAt: now,
  });
  const signedManifest = sign('deployment', deployer, Buffer.from(manifest));
  if (actions.length === 0) return { manifest: signedManifest, capability: '' };
  const capability = capabilityPayload({
    v: 1,
    issuer: keyIdOf(issuer),
    subject: agentId,
    tenant,
    actions,
    notBefore: now - backdatedMs,
    expires: now + validForMs,
    depth: delegations,
    ...(delegations > 0 && { holder: agentKey }),
    nonce: Buffer.from(crypto.randomBytes(16)).toString('base64url'),
  });
  return { manifest: signedManifest, capability: sign('capability', issuer, Buffer.from(capability)) };
}
