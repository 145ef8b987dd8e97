import type { NodeConfig } from '../config.ts';
import { sha256 } from '../crypto/port.ts';
import type { Result } from '../errors.ts';
import type { AuditType } from '../protocols/audit/event-type.ts';
import { emptyPolicySet, policyCanonicalText } from '../protocols/authorization/policy.ts';
import type { Store } from './kernel/ports.ts';
import { utf8 } from './kernel/utf8.ts';
import type { NodeFiles } from './node-files.ts';
import type { AuditDraft } from './operations/audit/audit-draft.ts';

const collection = 'node';
const key = 'boot-facts';

/** What was in force at a boot, one text each. */
type Facts = Readonly<Record<Fact, string>>;
type Fact = 'configuration' | 'policies' | 'gossip_key' | 'trust';

const typeOf: Readonly<Record<Fact, AuditType>> = {
  configuration: 'ConfigurationChanged',
  policies: 'SecurityPolicyUpdated',
  gossip_key: 'GossipKeyRotated',
  trust: 'TrustChanged',
};

export interface BootChangesOptions {
  readonly config: NodeConfig;
  readonly files: NodeFiles;
  readonly store: Store;
  readonly record: (fact: AuditDraft) => Promise<Result<unknown>>;
}

/**
 * Records what is in force now and was not at the last boot: configuration, policies, gossip key file, and the trust notice
 * with which deployers and issuers come and go. Somebody changed them while the node was down, and this is the first
 * moment to say so. The first refusal ends it, and the next boot tries again.
 */
export async function recordBootChanges({
  config,
  files,
  store,
  record,
}: BootChangesOptions): Promise<Result<unknown>> {
  const now = factsOf(config, files);
  const before = readFacts(await store.get(collection, key));
  for (const [fact, text] of Object.entries(now) as [Fact, string][]) {
    const known = before?.[fact];
    if (known === undefined || known === text) continue;
    const recorded = await record({
      type: typeOf[fact],
      identity: config.node.id,
      sourceIp: '',
      outcome: 'success',
      reasons: ['It is another one than at the last boot.'],
      metadata: { what: fact, from: known, to: text },
    });
    if (!recorded.ok) return recorded;
  }
  await store.put(collection, key, utf8.encode(JSON.stringify(now)));
  return { ok: true, value: undefined };
}

const hashOf = (text: string): string => Buffer.from(sha256(utf8.encode(text))).toString('hex');

function factsOf(config: NodeConfig, { keyring, policies, trust }: NodeFiles): Facts {
  return {
    configuration: hashOf(JSON.stringify(config)),
    policies: hashOf(policyCanonicalText(policies ?? emptyPolicySet)),
    gossip_key: `version ${keyring.sealing.id.epoch}`,
    trust: `generation ${trust.notice.generation}, ${hashOf(trust.text)}`,
  };
}

function readFacts(bytes: Uint8Array | undefined): Partial<Facts> | undefined {
  try {
    const facts: unknown = bytes && JSON.parse(utf8.decode(bytes));
    return typeof facts === 'object' && facts !== null ? (facts as Partial<Facts>) : undefined;
  } catch {
    return undefined;
  }
}
