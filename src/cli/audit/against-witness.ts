import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { type ProvenCheckpoint, verifyEvidence } from '../../actors/operations/audit/proof-check.ts';
import type { WitnessedLogView } from '../../actors/operations/witnessed-log-view.ts';
import { type Client, createClient } from '../../client.ts';
import { sha256 } from '../../crypto/port.ts';
import { CaxtonError, type Result, refuse } from '../../errors.ts';
import { decodeCheckpointEvidence } from '../../protocols/audit/evidence.ts';
import { verifyConsistency } from '../../protocols/audit/proof.ts';
import { fromBase64 } from '../../protocols/base64.ts';
import type { Profile } from '../profile.ts';

/** What one witness has to say about a log. */
export interface WitnessWord {
  readonly witness: string;
  /** False when the log is not what was countersigned; true when it is, or the witness knows nothing. */
  readonly fits: boolean;
  /** Whether it countersigned the log, and the log continues that. */
  readonly confirms: boolean;
  readonly text: string;
}

/**
 * Asks every other node of the profile what it countersigned of a log, and the log’s node for the proof that it goes on
 * from there. Signatures and proofs are checked here, so that neither side has to be believed.
 */
export async function compareWithWitnesses(
  profile: Profile,
  log: Client,
  nodeId: string,
): Promise<readonly WitnessWord[]> {
  const words: WitnessWord[] = [];
  for (const { id, api } of profile.nodes) {
    if (id === nodeId) continue;
    const client = createClient({ address: api, caPem: profile.caPem, apiKey: profile.apiKey });
    try {
      const seen = (await client.auditWitnessed()).find((entry) => entry.nodeId === nodeId);
      words.push({ witness: id, ...(await compare(profile.caPem, log, nodeId, seen)) });
    } catch (error) {
      if (!(error instanceof CaxtonError)) throw error;
      words.push({ witness: id, fits: true, confirms: false, text: `did not answer: ${error.message}` });
    } finally {
      client.close();
    }
  }
  return words;
}

async function compare(
  caPem: string,
  log: Client,
  nodeId: string,
  seen: WitnessedLogView | undefined,
): Promise<Omit<WitnessWord, 'witness'>> {
  if (seen?.fork) {
    const { kind, size } = seen.fork;
    return {
      fits: false,
      confirms: false,
      text: `does not countersign it any more: ${kind} at record ${size} (after ${seen.size})`,
    };
  }
  if (!seen || seen.size === 0) return { fits: true, confirms: false, text: 'has countersigned nothing of it' };
  const witnessed = proven(caPem, nodeId, seen.evidence);
  if (!witnessed.ok)
    return { fits: false, confirms: false, text: `its checkpoint cannot be believed: ${witnessed.refusal.reasons[0]}` };
  const { size } = witnessed.value.checkpoint;
  // Asked after the witness was: the log may have grown meanwhile, and never shrunk.
  const own = proven(caPem, nodeId, (await log.auditCheckpoint()).evidence);
  if (!own.ok)
    return {
      fits: false,
      confirms: false,
      text: `the log’s own checkpoint cannot be believed: ${own.refusal.reasons[0]}`,
    };
  const now = own.value.checkpoint;
  if (now.size < size)
    return { fits: false, confirms: false, text: `countersigned record ${size}; the log ends with record ${now.size}` };
  const { hashes } = await log.auditConsistency({ from: size, to: now.size });
  const proof = hashes.map(fromBase64).filter((hash) => hash !== undefined);
  return verifyConsistency(witnessed.value.checkpoint, now, proof, sha256).ok
    ? { fits: true, confirms: true, text: `countersigned record ${size}, and the log continues it` }
    : { fits: false, confirms: false, text: `countersigned record ${size}, and the log does not continue it` };
}

function proven(caPem: string, nodeId: string, evidence: string | undefined): Result<ProvenCheckpoint> {
  if (evidence === undefined) return refuse('CERTIFICATE_REFUSED', 'No certificate vouches for its key.');
  const decoded = decodeCheckpointEvidence(evidence);
  if (!decoded.ok) return decoded;
  const verified = verifyEvidence(decoded.value, { caPem, now: nodeClock.now() });
  if (verified.ok && verified.value.nodeId !== nodeId) return refuse('SIGNATURE_INVALID', 'It is one of another log.');
  return verified;
}
