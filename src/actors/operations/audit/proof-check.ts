import { verifyClaimKeyBinding } from '../../../crypto/identity.ts';
import { keyId } from '../../../crypto/keys.ts';
import { verifyNoteSignature } from '../../../crypto/note.ts';
import { sha256 } from '../../../crypto/port.ts';
import { verifyNodeSvid } from '../../../crypto/svid.ts';
import { ok, type Result, refuse } from '../../../errors.ts';
import { isNodeId, isTrustDomain, type NodeId, type TrustDomain } from '../../../names.ts';
import {
  decodeCheckpoint,
  logOrigin,
  type SignedCheckpoint,
  type VerifiedCheckpoint,
  verifyCheckpoint,
  witnessName,
} from '../../../protocols/audit/checkpoint.ts';
import { cosignatureTime } from '../../../protocols/audit/cosignature.ts';
import type { CheckpointEvidence } from '../../../protocols/audit/evidence.ts';
import { leafHash } from '../../../protocols/audit/merkle.ts';
import { verifyInclusion } from '../../../protocols/audit/proof.ts';
import { decodeProofFile } from '../../../protocols/audit/proof-file.ts';
import { type AuditRecord, readAuditLine } from '../../../protocols/audit/record.ts';
import { type NoteCrypto, type NoteKey, signaturesOf } from '../../../protocols/audit/signed-note.ts';
import type { DirectoryEntry } from '../../../protocols/link/push-pull-frame.ts';
import { type FindRevocation, revocationOf } from '../../../protocols/notice/revocation.ts';
import type { Unverified } from '../../../unverified.ts';
import { utf8 } from '../../kernel/utf8.ts';

/** What somebody outside has to know already. */
export interface ProofTrust {
  /** The cluster’s CA certificate. */
  readonly caPem: string;
  /** Milliseconds since 1970: when a checkpoint without a witness is judged, for nothing else dates it. */
  readonly now: number;
  /**
   * What the cluster has revoked, by kind and id. Without it nothing counts as revoked: CA and proof alone do not say.
   */
  readonly revoked?: FindRevocation | undefined;
}

/** A checkpoint whose keys lead to the CA. */
export interface ProvenCheckpoint {
  readonly checkpoint: VerifiedCheckpoint;
  readonly trustDomain: TrustDomain;
  /** Whose log it is. */
  readonly nodeId: NodeId;
  /** Who countersigned it. */
  readonly witnesses: readonly { readonly nodeId: NodeId; readonly timeSeconds: number }[];
}

export interface ProvenRecord extends ProvenCheckpoint {
  readonly sequence: number;
  readonly record: AuditRecord;
}

/** What the rules of notes need of cryptography. */
export const noteCrypto: NoteCrypto = { sha256, utf8, verify: verifyNoteSignature };

/**
 * Checks a proof file (`caxton audit prove`) with nothing but the CA’s certificate: that the record stands at its place
 * in the log, as the log’s node signed it and the witnesses named countersigned it. How many witnesses are enough is for
 * the caller to say. MALFORMED, LIMIT_EXCEEDED, CERTIFICATE_REFUSED, SIGNATURE_INVALID, PROOF_INVALID, REVOKED.
 */
export function verifyAuditProof(file: string, trust: ProofTrust): Result<ProvenRecord> {
  const decoded = decodeProofFile(file, utf8);
  if (!decoded.ok) return decoded;
  const { unverified } = decoded.value;
  const proven = verifyEvidence({ unverified }, trust);
  if (!proven.ok) return proven;
  const { index, proof, record } = unverified;
  const included = verifyInclusion(proven.value.checkpoint, index, leafHash(record, sha256), proof, sha256);
  if (!included.ok) return included;
  let line: string;
  try {
    line = utf8.decode(record);
  } catch {
    return refuse('MALFORMED', 'The record is not UTF-8.');
  }
  const read = readAuditLine(line);
  if (!read.ok) return read;
  if (read.value.seq !== index + 1)
    return refuse('PROOF_INVALID', `The record of place ${index + 1} says that it is record ${read.value.seq}.`);
  return ok({ ...proven.value, sequence: index + 1, record: read.value });
}

/**
 * Believes a checkpoint whose keys are bound to certificates of the CA. A witness’s certificate must have been valid when
 * it countersigned, and the log’s when the first did. The log’s own node is no witness: whoever has its key could be one.
 *
 * Whoever is revoked has countersigned nothing, whatever time stands there: a thief of the key writes any. The log of a
 * node that is revoked counts up to where others countersigned it, for nobody does so afterwards; what its own key alone
 * signed is REVOKED. CERTIFICATE_REFUSED, SIGNATURE_INVALID, MALFORMED.
 */
export function verifyEvidence(
  { unverified: { note, keys } }: Unverified<CheckpointEvidence>,
  { caPem, now, revoked }: ProofTrust,
): Result<ProvenCheckpoint> {
  const decoded = decodeCheckpoint(note);
  if (!decoded.ok) return decoded;
  const log = logOf(decoded.value.unverified.origin);
  if (!log) return refuse('MALFORMED', 'The checkpoint is not one of a node’s audit log.');
  const { trustDomain, nodeId } = log;
  const entries = new Map(keys.map((entry) => [entry.nodeId, entry]));
  if (entries.size < keys.length) return refuse('MALFORMED', 'A node has more than one certificate.');
  const own = entries.get(nodeId);
  if (!own) return refuse('CERTIFICATE_REFUSED', `There is no certificate of ${nodeId}, whose log it is.`);
  entries.delete(nodeId);
  const expect = { caPem, now, revoked, trustDomain };
  const isKeyRevoked = (key: Uint8Array): boolean => revoked?.('key', keyId(key)) !== undefined;
  const witnesses: Claim[] = [];
  for (const entry of entries.values()) {
    if (isRevoked(entry, expect)) continue;
    const claim = claimOf(entry, decoded.value.unverified, { caPem, trustDomain });
    if (!claim.ok) return claim;
    // Its key is here because it signed: its signature was taken away or changed.
    if (!claim.value) return refuse('SIGNATURE_INVALID', `The signature of ${entry.nodeId} is missing.`);
    if (!isKeyRevoked(claim.value.key.publicKey)) witnesses.push(claim.value);
  }
  const firstMs = Math.min(now, ...witnesses.map(({ atMs }) => atMs));
  const ownKey = claimKeyOf(own, { caPem, trustDomain, now: firstMs });
  if (!ownKey.ok) return ownKey;
  if (witnesses.length === 0 && (isRevoked(own, expect) || isKeyRevoked(ownKey.value)))
    return refuse('REVOKED', `${nodeId} is revoked, and nobody who is not has countersigned this.`);
  const logKey: NoteKey = { name: logOrigin(trustDomain, nodeId), type: 'ed25519', publicKey: ownKey.value };
  const believed = { log: logKey, witnesses: witnesses.map(({ key }) => key) };
  const checkpoint = verifyCheckpoint(decoded.value, believed, noteCrypto);
  if (!checkpoint.ok) return checkpoint;
  const given: ProvenCheckpoint['witnesses'][number][] = [];
  for (const { nodeId: witness, key, atMs } of witnesses) {
    const cosignature = checkpoint.value.cosignatures.find(({ name }) => name === key.name);
    if (cosignature?.timeSeconds !== atMs / 1_000)
      return refuse('CERTIFICATE_REFUSED', `The certificate of ${witness} was not valid each time that it signed.`);
    given.push({ nodeId: witness, timeSeconds: cosignature.timeSeconds });
  }
  return ok({ checkpoint: checkpoint.value, trustDomain, nodeId, witnesses: given });
}

/** A witness’s signature under a checkpoint, not verified yet: which key made it, and when. */
interface Claim {
  readonly nodeId: NodeId;
  readonly key: NoteKey;
  readonly atMs: number;
}

/**
 * The newest signature of a witness with the key of its certificate; undefined when there is none. A line with its name
 * and another key’s id is nobody’s, is never verified, and so must not date anything.
 */
function claimOf(
  entry: DirectoryEntry,
  { note }: SignedCheckpoint,
  { caPem, trustDomain }: { readonly caPem: string; readonly trustDomain: TrustDomain },
): Result<Claim | undefined> {
  const { nodeId } = entry;
  const name = witnessName(trustDomain, nodeId);
  const lines = note.signatures
    .filter((signature) => signature.name === name)
    .map((signature) => ({ signature, timeSeconds: cosignatureTime(signature.signature) ?? 0 }))
    .filter(({ timeSeconds }) => timeSeconds > 0)
    .sort((a, b) => b.timeSeconds - a.timeSeconds);
  let refused: Result<never> | undefined;
  for (const { signature, timeSeconds } of lines) {
    const atMs = timeSeconds * 1_000;
    const publicKey = claimKeyOf(entry, { caPem, trustDomain, now: atMs });
    if (!publicKey.ok) {
      refused ??= publicKey;
      continue;
    }
    const key: NoteKey = { name, type: 'cosignature', publicKey: publicKey.value };
    if (signaturesOf({ text: note.text, signatures: [signature] }, key, noteCrypto).length > 0)
      return ok({ nodeId, key, atMs });
  }
  return refused ?? ok(undefined);
}

/** Whether a node, its certificate or a CA above that is revoked, whatever else is wrong with it. */
function isRevoked({ nodeId, certificate }: DirectoryEntry, { revoked, ...expect }: Expected): boolean {
  if (!revoked) return false;
  let found = revoked('node', nodeId) !== undefined;
  verifyNodeSvid(certificate, {
    ...{ ...expect, nodeId },
    revoked: (one) => {
      found ||= revocationOf(revoked, one) !== undefined;
      return false;
    },
  });
  return found;
}

interface Expected extends ProofTrust {
  readonly trustDomain: TrustDomain;
}

/** The other way round from `logOrigin`. */
function logOf(origin: string): { readonly trustDomain: TrustDomain; readonly nodeId: NodeId } | undefined {
  const [trustDomain = '', node, nodeId = '', audit, ...more] = origin.split('/');
  if (node !== 'node' || audit !== 'audit' || more.length > 0) return undefined;
  return isTrustDomain(trustDomain) && isNodeId(nodeId) ? { trustDomain, nodeId } : undefined;
}

function claimKeyOf(
  { nodeId, certificate, binding }: DirectoryEntry,
  expect: { readonly caPem: string; readonly trustDomain: TrustDomain; readonly now: number },
): Result<Uint8Array> {
  const svid = verifyNodeSvid(certificate, { ...expect, nodeId });
  return svid.ok ? verifyClaimKeyBinding(svid.value, binding) : svid;
}
