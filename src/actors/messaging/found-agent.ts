import { signerOf } from '../../crypto/signed-document.ts';
import type { NodeId } from '../../names.ts';
import type { Capability } from '../../protocols/authorization/capability.ts';
import type { Manifest } from '../../protocols/deployment/manifest.ts';
import type { Registration, SignedDocuments } from '../../protocols/registry/registry.ts';

/** An agent as it counts in the registry. */
export interface FoundAgent {
  readonly nodeId: NodeId;
  readonly manifest: Manifest;
  readonly capability: Capability | undefined;
  /** The id of the key that signed the manifest. */
  readonly deployer: string;
  /** Both documents as they were signed; the token may be empty. */
  readonly signed: SignedDocuments;
  /** It handles nothing now. */
  readonly suspended: boolean;
}

export const foundOf = ({ node, manifest, capability, signed, suspended }: Registration): FoundAgent => ({
  nodeId: node,
  manifest,
  capability,
  // Verified with this very key before the record was taken.
  deployer: signerOf(signed.manifest),
  signed,
  suspended,
});
