import { ok, type Result, refuse } from '../../errors.ts';
import type { VerifiedDocuments } from '../../protocols/registry/delta-step.ts';
import type { SignedDocuments } from '../../protocols/registry/registry.ts';
import { keptDocuments } from './kept-documents.ts';
import type { Trust } from './trust.ts';

/**
 * The documents of an agent, as the registry takes them: both signed by keys that are trusted for it, for one key of the
 * agent. REVOKED or DEPLOYMENT_REFUSED.
 */
export function verifiedDocuments(trust: Trust, documents: SignedDocuments): Result<VerifiedDocuments> {
  const manifest = trust.manifest(documents.manifest);
  if (!manifest.ok) return manifest;
  const { agentId, agentKey } = manifest.value;
  const kept = keptDocuments(documents, manifest.value);
  if (documents.capability === '') return ok({ manifest: manifest.value, capability: undefined, kept });
  const capability = trust.capability(documents.capability);
  if (!capability.ok) return refuse('DEPLOYMENT_REFUSED', ...capability.refusal.reasons);
  const { holder = agentKey } = capability.value;
  if (holder !== agentKey)
    return refuse('DEPLOYMENT_REFUSED', `The capability token names another key of ${agentId} than the manifest.`);
  return ok({ manifest: manifest.value, capability: capability.value, kept });
}
