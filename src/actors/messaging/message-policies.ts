import { sha256 } from '../../crypto/port.ts';
import type { AgentId } from '../../names.ts';
import type { PolicySet } from '../../protocols/authorization/policy.ts';
import {
  type PolicyLayers,
  type PolicySources,
  policiesFor,
  sourcesCanonicalText,
} from '../../protocols/authorization/policy-layers.ts';
import type { PolicyRules } from '../../protocols/authorization/policy-rules.ts';
import { utf8 } from '../kernel/utf8.ts';

/** By what messages are judged now: the node’s file, and the documents of the cluster, which `NoticeBoard` sets. */
export class MessagePolicies {
  #sources: PolicySources;
  #hash: string;
  readonly #listeners: (() => void)[] = [];

  constructor(sources: Omit<PolicySources, 'cluster'>) {
    this.#sources = { ...sources, cluster: [] };
    this.#hash = hashOf(this.#sources);
  }

  /** The documents in force from now on: none, one, or all that are of one generation. */
  set(cluster: readonly PolicySet[]): void {
    const held = this.#sources.cluster;
    if (held.length === cluster.length && held.every((set, at) => set === cluster[at])) return;
    this.#sources = { ...this.#sources, cluster };
    this.#hash = hashOf(this.#sources);
    for (const listener of this.#listeners) listener();
  }

  /** The policies of a receiver, each of which must permit; `inline` is its manifest’s. */
  for(receiver: AgentId, inline: PolicyRules | undefined): PolicyLayers {
    return policiesFor(this.#sources, receiver, inline);
  }

  /** SHA-256 of everything that decisions are made by but for manifests, hexadecimal. */
  get hash(): string {
    return this.#hash;
  }

  /** What `hash` would be with these documents. */
  hashWith(cluster: readonly PolicySet[]): string {
    return hashOf({ ...this.#sources, cluster });
  }

  /** Hears that what was worked out from them does not hold any more. */
  onChanged(listener: () => void): void {
    this.#listeners.push(listener);
  }
}

const hashOf = (sources: PolicySources): string =>
  Buffer.from(sha256(utf8.encode(sourcesCanonicalText(sources)))).toString('hex');
