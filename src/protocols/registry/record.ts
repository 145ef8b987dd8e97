import { ok, type Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type AgentId, isAgentId, isNodeId, type NodeId } from '../../names.ts';
import { anyText, boolean, integer, list, malformed, name, object, oneOf, readShape } from '../json/shape.ts';
import { parseJson } from '../json/text.ts';

/**
 * What a node tells the others about an agent that it hosts or hosted. Nobody else may write it; the two documents
 * inside carry their own signatures, so that a node cannot make up an agent either.
 */
export interface RegistryRecord {
  readonly agentId: AgentId;
  /** The host, which is also the writer. */
  readonly node: NodeId;
  /** Counts the host’s writes to its records within a boot epoch; from 1, and only ever up for one agent. */
  readonly version: number;
  /** `gone` is a tombstone: it keeps its version, and its documents are empty. */
  readonly state: 'live' | 'gone';
  /** The signed manifest in its text form. */
  readonly manifest: string;
  /** The signed capability token in its text form; empty for none. */
  readonly capability: string;
}

/** Records of one node on their way to another. */
export interface RegistryDelta {
  /** These are all the live ones that there are: what is known beyond them is gone. */
  readonly full: boolean;
  readonly records: readonly RegistryRecord[];
}

const record = object({
  agentId: name(isAgentId, 'an agent (tenant/name)'),
  node: name(isNodeId, 'a node id'),
  version: integer(1, Number.MAX_SAFE_INTEGER),
  state: oneOf('live', 'gone'),
  manifest: anyText(limits.manifestBytesMax),
  capability: anyText(limits.tokenBytesMax),
});

const delta = object({ v: oneOf(1), full: boolean, records: list(record, limits.agentsMax) });

/** The delta as JSON text, for a link. What is longer than `limits.pushPullBytesMax` must be sent in parts. */
export function registryDeltaText({ full, records }: RegistryDelta): string {
  return JSON.stringify({
    v: 1,
    full,
    records: records.map(({ agentId, node, version, state, manifest, capability }) => ({
      agentId,
      node,
      version,
      state,
      manifest,
      capability,
    })),
  });
}

/** Reads what `registryDeltaText` wrote. Nothing in it is verified yet: `applyRecords` does that. */
export function readRegistryDelta(payload: string): Result<RegistryDelta> {
  const json = parseJson(payload, { charsMax: limits.pushPullBytesMax, depthMax: limits.documentDepthMax });
  if (!json.ok) return json;
  const read = readShape(delta, json.value, malformed('The registry delta'));
  return read.ok ? ok({ full: read.value.full, records: read.value.records }) : read;
}
