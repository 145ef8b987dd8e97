import { documentText, signatureOf } from '../../crypto/signed-document.ts';
import type { AgentId, NodeId } from '../../names.ts';
import { type Manifest, manifestText } from '../../protocols/deployment/manifest.ts';
import type { RegistryRecord } from '../../protocols/registry/record.ts';
import { utf8 } from '../kernel/utf8.ts';

/**
 * A live record as the registry keeps it: without the text of its manifest when that can be made again, exactly, from
 * what was read from it. A manifest says all twice otherwise, and there may be 100,000 of them.
 */
export function keptRecord(record: RegistryRecord, manifest: Manifest): RegistryRecord {
  const kept = new KeptRecord(record, manifest);
  // Somebody else’s tool may write its fields in another order; then the text is kept.
  return kept.manifest === record.manifest ? kept : record;
}

class KeptRecord implements RegistryRecord {
  readonly node: NodeId;
  readonly version: number;
  readonly capability: string;
  readonly #manifest: Manifest;
  readonly #signature: string;

  constructor({ node, version, capability, manifest: text }: RegistryRecord, manifest: Manifest) {
    this.node = node;
    this.version = version;
    this.capability = capability;
    this.#manifest = manifest;
    this.#signature = signatureOf(text);
  }

  get agentId(): AgentId {
    return this.#manifest.agentId;
  }

  get state(): 'live' {
    return 'live';
  }

  /** Made again: some microseconds. */
  get manifest(): string {
    return documentText('deployment', utf8.encode(manifestText(this.#manifest)), this.#signature);
  }
}
