import { ok, type Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type AgentId, isAgentId, isNodeId, type NodeId } from '../../names.ts';
import {
  anyText,
  integer,
  list,
  malformed,
  name,
  object,
  oneOf,
  readShape,
  type Shape,
  withRule,
} from '../json/shape.ts';
import { parseJson } from '../json/text.ts';

/** What a node offers in its hello that understands the frames of the registry. */
export const registryFeature = 'registry/2';

/**
 * What a node tells the others about an agent that it hosts or hosted. Nobody else may write it; the two documents
 * inside carry their own signatures, so that a node cannot make up an agent either.
 */
export interface RegistryRecord {
  readonly agentId: AgentId;
  /** The host, which is also the writer. */
  readonly node: NodeId;
  /** Counts the host’s writes to its records within a boot epoch, from 1: no two records of a boot share one. */
  readonly version: number;
  /** The version with which the documents came that count now: this one’s, unless only its state has changed since. */
  readonly documents: number;
  /** `suspended`: it lives there and handles nothing now. `gone`: it does not live there any more. */
  readonly state: 'live' | 'suspended' | 'gone';
  /** The signed manifest in its text form. Empty when it is gone, or when who is told has had both documents before. */
  readonly manifest: string;
  /** The signed capability token in its text form; empty for none. */
  readonly capability: string;
}

/**
 * Records of one node on their way to another: of all that it wrote with numbers above `above` and up to `upTo`, what
 * still counts. An agent that was written about again since then is not in it, but in a later one.
 */
export interface RegistryDelta {
  /**
   * 0: changes, for who knows everything up to `above`; removals are in it. Otherwise the number of the listing that it
   * is a part of: everything from 0 on, for who knows nothing; what was removed before the listing began is just absent.
   */
  readonly pass: number;
  readonly above: number;
  readonly upTo: number;
  /** The writer’s newest number: a delta up to it leaves nothing unsaid. */
  readonly newest: number;
  readonly records: readonly RegistryRecord[];
}

const versions = integer(1, Number.MAX_SAFE_INTEGER);
const positions = integer(0, Number.MAX_SAFE_INTEGER);

const record = withRule(
  object({
    agentId: name(isAgentId, 'an agent (tenant/name)'),
    node: name(isNodeId, 'a node id'),
    version: versions,
    documents: versions,
    state: oneOf('live', 'suspended', 'gone'),
    manifest: anyText(limits.manifestBytesMax),
    capability: anyText(limits.tokenBytesMax),
  }),
  ({ version, documents, state, manifest, capability }) => {
    if (documents > version) return 'its documents are of a later version';
    if (state === 'gone' && manifest !== '') return 'one that is gone has no documents';
    return capability !== '' && manifest === '' ? 'a capability without its manifest' : undefined;
  },
);

const delta: Shape<RegistryDelta & { readonly v: 2 }> = withRule(
  object({
    v: oneOf(2),
    pass: positions,
    above: positions,
    upTo: positions,
    newest: positions,
    records: list(record, limits.agentsMax),
  }),
  ({ above, upTo, newest, records }) => {
    if (above > upTo || upTo > newest) return 'its numbers are not in order';
    let last = above;
    for (const { version } of records) {
      if (version <= last || version > upTo) return 'its records are not in the order of their numbers, or beyond them';
      last = version;
    }
    return undefined;
  },
);

/** The delta as JSON text, for a link. What is longer than `limits.pushPullBytesMax` must be sent in parts. */
export function registryDeltaText({ pass, above, upTo, newest, records }: RegistryDelta): string {
  return JSON.stringify({
    v: 2,
    pass,
    above,
    upTo,
    newest,
    records: records.map(({ agentId, node, version, documents, state, manifest, capability }) => ({
      agentId,
      node,
      version,
      documents,
      state,
      manifest,
      capability,
    })),
  });
}

/** Reads what `registryDeltaText` wrote. Nothing in it is verified yet: `applyDelta` does that. MALFORMED, LIMIT_EXCEEDED. */
export function readRegistryDelta(payload: string): Result<RegistryDelta> {
  const json = parseJson(payload, { charsMax: limits.pushPullBytesMax, depthMax: limits.documentDepthMax });
  if (!json.ok) return json;
  const read = readShape(delta, json.value, malformed('The registry delta'));
  if (!read.ok) return read;
  const { pass, above, upTo, newest, records } = read.value;
  return ok({ pass, above, upTo, newest, records });
}
