import { CaxtonError, type Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type AgentId, isAgentId, isName, isNodeId, type NodeId, tenantOf } from '../../names.ts';
import { actionTextShape } from '../authorization/action.ts';
import { inlinePolicy, type PolicyRules, policyRulesObject } from '../authorization/policy-rules.ts';
import { type PublicKeyText, publicKeyText } from '../authorization/public-key.ts';
import {
  integer,
  list,
  malformed,
  name,
  object,
  oneOf,
  readShape,
  type Shape,
  text,
  timeMs,
  withRule,
} from '../json/shape.ts';
import { parseJson } from '../json/text.ts';

/**
 * What a deployer signs to put an agent into the cluster (ADR-0016’s `DeploymentSignature`), in the form after
 * verification: which code, under which name and key, on which nodes.
 */
export interface Manifest {
  readonly v: 1;
  readonly agentId: AgentId;
  readonly kind: AgentKind;
  /** A module of the node’s agents folder; `embedded`: the program around the node brings it; `null`: no code. */
  readonly code: AgentCode | 'embedded' | null;
  /** The agent’s tenant, stated. */
  readonly tenant: string;
  /** What the agent offers to others: names such as `echo`, found as `tenant/echo`. */
  readonly services: readonly string[];
  /** Actions that the agent asks for; its capability token says which it has. */
  readonly capabilities: readonly string[];
  /** The key whose signatures count as the agent’s. */
  readonly agentKey: PublicKeyText;
  readonly placement: { readonly nodes: readonly NodeId[] };
  /** Grows with each manifest of this agent; from 1. */
  readonly generation: number;
  /** The agent’s own rules as a receiver. */
  readonly policy?: PolicyRules;
  /** Milliseconds since 1970. */
  readonly issuedAt: number;
}

/** `console` is a mailbox without code. `wasm` and `quickjs` can be signed already; nodes refuse to run them yet. */
export type AgentKind = (typeof agentKinds)[number];

const agentKinds = ['handler', 'chart', 'console', 'wasm', 'quickjs'] as const;

export interface AgentCode {
  /** Relative to the agents folder, with `/`; no part starts with a dot, so none leads out. */
  readonly module: string;
  /** `sha256:` and 64 hexadecimal digits over the file’s bytes. */
  readonly digest: string;
}

const modulePath = /^[A-Za-z0-9_][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_][A-Za-z0-9._-]*)*$/;

const codeFile = object({
  module: text(255, modulePath, 'a relative path of letters, digits, “.”, “_” and “-”, no part starting with a dot'),
  digest: text(71, /^sha256:[0-9a-f]{64}$/, 'sha256:<64 hexadecimal digits>'),
});

// `null` is a value here, while `undefined` would mean “refused”; so the field is wrapped while it is read.
const code: Shape<{ readonly of: Manifest['code'] }> = (value, path, problems) => {
  if (value === null || value === 'embedded') return { of: value };
  const file = codeFile(value, path, problems);
  return file && { of: file };
};

const shape = withRule(
  object(
    {
      v: oneOf(1),
      agentId: name(isAgentId, 'an agent (tenant/name)'),
      kind: oneOf(...agentKinds),
      code,
      tenant: text(63),
      services: list(
        name((value): value is string => isName(value), 'a name of a-z, 0-9, “_” and “-”'),
        limits.servicesMax,
      ),
      capabilities: list(actionTextShape, limits.tokenActionsMax),
      agentKey: publicKeyText,
      placement: object({ nodes: list(name(isNodeId, 'a node id'), limits.placementNodesMax, 1) }),
      generation: integer(1, Number.MAX_SAFE_INTEGER),
      issuedAt: timeMs,
    },
    { policy: inlinePolicy },
  ),
  ({ agentId, tenant, kind, code: { of } }) => {
    if (tenant !== tenantOf(agentId)) return 'the tenant is not the tenant of the agent';
    if (kind === 'console') return of === null ? undefined : 'an agent of kind console has no code: expected null';
    if (of === null) return `an agent of kind ${kind} needs code`;
    if (of === 'embedded' && kind !== 'handler' && kind !== 'chart')
      return `an agent of kind ${kind} cannot be embedded`;
    return undefined;
  },
);

/**
 * The exact text to sign: JSON with fixed key order, as UTF-8. Throws MALFORMED or LIMIT_EXCEEDED when the manifest
 * would not be read back, so that nobody signs what nobody accepts.
 */
export function manifestPayload(manifest: Manifest): string {
  const payload = manifestText(manifest);
  const read = readManifest(payload);
  if (!read.ok) throw CaxtonError.from(read.refusal);
  return payload;
}

/** A manifest as `manifestPayload` writes it, unchecked: for one that was read before. */
export function manifestText(manifest: Manifest): string {
  const { v, agentId, kind, tenant, services, capabilities, agentKey, placement, generation, policy, issuedAt } =
    manifest;
  const file = manifest.code;
  return JSON.stringify({
    v,
    agentId,
    kind,
    code: file === null || file === 'embedded' ? file : { module: file.module, digest: file.digest },
    tenant,
    services,
    capabilities,
    agentKey,
    placement: { nodes: placement.nodes },
    generation,
    policy: policy && policyRulesObject(policy),
    issuedAt,
  });
}

/**
 * Reads a payload whose signature was verified; whether its signer may deploy is for the caller to ask. LIMIT_EXCEEDED
 * past `limits.manifestBytesMax`, MALFORMED.
 */
export function readManifest(payload: string): Result<Manifest> {
  const json = parseJson(payload, { charsMax: limits.manifestBytesMax, depthMax: limits.documentDepthMax });
  if (!json.ok) return json;
  const read = readShape(shape, json.value, malformed('The manifest'));
  if (!read.ok) return read;
  const { v, agentId, kind, code: wrapped, tenant, services, capabilities, agentKey } = read.value;
  const { placement, generation, policy, issuedAt } = read.value;
  const code = wrapped.of;
  const rest = { v, agentId, kind, code, tenant, services, capabilities, agentKey, placement, generation, issuedAt };
  // Others are given these very objects, and `sharing` gives them to other manifests.
  for (const part of [code, services, capabilities, placement, placement.nodes]) Object.freeze(part);
  return { ok: true, value: policy ? { ...rest, policy } : rest };
}

/**
 * The same manifest, with what it has in common with another one in that one’s objects: a node knows 100,000 agents,
 * and nearly all of them are placed, and offer and ask, as the one before.
 */
export function sharing(manifest: Manifest, other: Manifest): Manifest {
  const { v, agentId, kind, agentKey, generation, issuedAt, policy } = manifest;
  const code = isSameCode(manifest.code, other.code) ? other.code : manifest.code;
  const tenant = manifest.tenant === other.tenant ? other.tenant : manifest.tenant;
  const services = isSameList(manifest.services, other.services) ? other.services : manifest.services;
  const capabilities = isSameList(manifest.capabilities, other.capabilities)
    ? other.capabilities
    : manifest.capabilities;
  const isSamePlace = isSameList(manifest.placement.nodes, other.placement.nodes);
  const placement = isSamePlace ? other.placement : manifest.placement;
  const rest = { v, agentId, kind, code, tenant, services, capabilities, agentKey, placement, generation, issuedAt };
  return policy ? { ...rest, policy } : rest;
}

const isSameList = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((text, at) => text === b[at]);

const isSameCode = (a: Manifest['code'], b: Manifest['code']): boolean =>
  a === b || (typeof a === 'object' && typeof b === 'object' && a?.module === b?.module && a?.digest === b?.digest);

/** Whether the node may host the agent. */
export const placementAllows = (manifest: Manifest, node: NodeId): boolean => manifest.placement.nodes.includes(node);
