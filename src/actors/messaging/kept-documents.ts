import { documentText, signatureOf } from '../../crypto/signed-document.ts';
import { type Manifest, manifestText } from '../../protocols/deployment/manifest.ts';
import type { SignedDocuments } from '../../protocols/registry/registry.ts';
import { utf8 } from '../kernel/utf8.ts';

/**
 * The documents of an agent as the registry keeps them: without the text of its manifest when that can be made again,
 * exactly, from what was read from it. A manifest says all twice otherwise, and there may be 100,000 of them.
 */
export function keptDocuments(documents: SignedDocuments, manifest: Manifest): SignedDocuments {
  const kept = new KeptDocuments(documents, manifest);
  // Somebody else’s tool may write its fields in another order; then the text is kept.
  return kept.manifest === documents.manifest ? kept : documents;
}

class KeptDocuments implements SignedDocuments {
  readonly capability: string;
  readonly #manifest: Manifest;
  readonly #signature: string;

  constructor({ capability, manifest: text }: SignedDocuments, manifest: Manifest) {
    this.capability = capability;
    this.#manifest = manifest;
    this.#signature = signatureOf(text);
  }

  /** Made again: some microseconds. */
  get manifest(): string {
    return documentText('deployment', utf8.encode(manifestText(this.#manifest)), this.#signature);
  }
}
