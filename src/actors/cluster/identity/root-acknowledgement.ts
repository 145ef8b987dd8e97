import { verifyClaimKeyBinding } from '../../../crypto/identity.ts';
import { ed25519PublicKey } from '../../../crypto/keys.ts';
import { verifyWith } from '../../../crypto/signature.ts';
import { type NodeSvid, verifyNodeSvid } from '../../../crypto/svid.ts';
import { ok, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { TrustDomain } from '../../../names.ts';
import {
  acknowledgementPayload,
  acknowledgementText,
  type RootsAcknowledgement,
  readAcknowledgement,
} from '../../../protocols/notice/acknowledgement.ts';
import { utf8 } from '../../kernel/utf8.ts';
import type { NodeIdentity } from './node-identity.ts';

/** What a node says of a bundle of roots, in its own name. */
export interface AcknowledgedBundle {
  readonly clusterId: string;
  readonly generation: number;
  /** SHA-256 of what was signed. */
  readonly hash: Uint8Array;
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

/** The line in which this node says that it has taken the bundle, and which certificate it shows at `at`. */
export function acknowledge(identity: NodeIdentity, bundle: AcknowledgedBundle, at: number): string {
  const payload = acknowledgementPayload({
    v: 1,
    clusterId: bundle.clusterId,
    nodeId: identity.nodeId,
    generation: bundle.generation,
    hash: base64(bundle.hash),
    at,
    certificate: base64(identity.svid.der),
    binding: base64(identity.binding),
  });
  return acknowledgementText({ payload, signature: base64(identity.signAcknowledgement(utf8.encode(payload))) });
}

/** Whose words count. */
export interface AcknowledgementTrust {
  readonly clusterId: string;
  readonly trustDomain: TrustDomain;
  /** The roots under which its certificate may stand. */
  readonly caPem: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface VerifiedAcknowledgement {
  readonly said: RootsAcknowledgement;
  /** The certificate that the member showed then; it may have ended since. */
  readonly svid: NodeSvid;
  /** Which signed it: 32 bytes. */
  readonly claimKey: Uint8Array;
}

/**
 * Whether the member itself says so, whoever hands it on: its certificate is judged for the moment of which it speaks, the
 * certificate’s key has signed the binding, and the claim key the words. MALFORMED, CERTIFICATE_REFUSED, SIGNATURE_INVALID.
 */
export function verifyAcknowledgement(line: string, trust: AcknowledgementTrust): Result<VerifiedAcknowledgement> {
  const read = readAcknowledgement(line);
  if (!read.ok) return read;
  const { said, payload, signature } = read.value.unverified;
  if (said.clusterId !== trust.clusterId)
    return refuse('SIGNATURE_INVALID', `The acknowledgement of ${said.nodeId} is for another cluster.`);
  if (said.at > trust.now + limits.acknowledgementSkewMsMax)
    return refuse('SIGNATURE_INVALID', `The acknowledgement of ${said.nodeId} is of the future.`);
  const { caPem, trustDomain, now } = trust;
  const svid = verifyNodeSvid(bytesOf(said.certificate), {
    caPem,
    trustDomain,
    nodeId: said.nodeId,
    now: Math.min(now, said.at),
  });
  if (!svid.ok) return svid;
  const claimKey = verifyClaimKeyBinding(svid.value, bytesOf(said.binding));
  if (!claimKey.ok) return claimKey;
  const key = ed25519PublicKey(claimKey.value);
  if (!key.ok) return key;
  return verifyWith(key.value, 'caxton roots acknowledgement v1', utf8.encode(payload), bytesOf(signature))
    ? ok({ said, svid: svid.value, claimKey: claimKey.value })
    : refuse('SIGNATURE_INVALID', `The acknowledgement was not signed by ${said.nodeId}.`);
}
