import type { KeyObject } from 'node:crypto';
import { ok, type Result, refuse } from '../errors.ts';
import { ed25519PublicKey, rawKeyBytes } from './keys.ts';
import { signatureBytes, signWith, verifyWith } from './signature.ts';
import type { NodeSvid } from './svid.ts';
import { transcript } from './transcript.ts';

/**
 * A node’s claim key (Ed25519) outlives its certificates; gossip claims and audit checkpoints are signed with it. The
 * binding says whose it is: a statement of node id, certificate serial and claim key, signed with the certificate’s key.
 * On the wire: the statement (a transcript that ends with the 32 bytes of the key), then 64 bytes of signature.
 */
const domain = 'caxton claim-key binding v1';

/**
 * Binds a claim key to a certificate.
 *
 * @param certificateKey P-256 private key of the certificate. Throws for another type.
 * @param claimKey 32 raw bytes of the Ed25519 public key. Throws for another length.
 */
export function bindClaimKey(
  certificateKey: KeyObject,
  claimKey: Uint8Array,
  svid: { readonly nodeId: string; readonly serial: string },
): Uint8Array {
  if (claimKey.length !== rawKeyBytes) throw new TypeError('A claim key has 32 bytes.');
  const statement = transcript(svid.nodeId, svid.serial, claimKey);
  return Uint8Array.from([...statement, ...signWith(certificateKey, domain, statement)]);
}

/**
 * The claim key that a verified certificate vouches for: 32 raw bytes. MALFORMED when the binding is not in the form or
 * is for another node or certificate; SIGNATURE_INVALID when the certificate’s key did not sign it.
 */
export function verifyClaimKeyBinding(svid: NodeSvid, binding: Uint8Array): Result<Uint8Array> {
  const end = binding.length - signatureBytes;
  if (end < rawKeyBytes) return refuse('MALFORMED', 'The claim-key binding is too short.');
  const statement = binding.subarray(0, end);
  const claimKey = binding.slice(end - rawKeyBytes, end);
  // The statement is fully determined by what it must say, so it is compared and never parsed.
  if (Buffer.compare(statement, transcript(svid.nodeId, svid.serial, claimKey)) !== 0)
    return refuse('MALFORMED', 'The claim-key binding is not for this node and certificate.');
  if (!verifyWith(svid.publicKey, domain, statement, binding.subarray(end)))
    return refuse('SIGNATURE_INVALID', 'The claim-key binding is not signed with the certificate’s key.');
  const usable = ed25519PublicKey(claimKey);
  return usable.ok ? ok(claimKey) : usable;
}
