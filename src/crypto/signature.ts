import { type KeyObject, sign, type VerifyKeyObjectInput, verify } from 'node:crypto';
import { algorithmOfDomain, keyFits, type SignatureAlgorithm, type SignatureDomain } from './algorithms.ts';

/** Length of every signature: Ed25519 and P-256 (r ‖ s) alike. */
export const signatureBytes = 64;

/**
 * Signs `bytes` for one purpose: what is signed is the domain, a zero byte, and the exact bytes.
 *
 * @returns 64 bytes: Ed25519 (RFC 8032) or ECDSA P-256 with SHA-256 as r ‖ s, as the domain’s table entry says.
 * Throws for a key of another type or a domain that is not in the table: both are bugs of the caller.
 */
export function signWith(privateKey: KeyObject, domain: SignatureDomain, bytes: Uint8Array): Uint8Array {
  const algorithm = algorithmOfDomain(domain);
  if (!algorithm) throw new TypeError(`No signature domain is called ${domain}.`);
  if (privateKey.type !== 'private' || !keyFits(privateKey, algorithm))
    throw new TypeError(`The domain ${domain} is signed with another type of key.`);
  return new Uint8Array(sign(algorithm.digest, coveredBytes(domain, bytes), keyFor(algorithm, privateKey)));
}

/**
 * Whether `signature` is one of `publicKey` over exactly these bytes for exactly this purpose. Never throws: an unknown
 * domain, a wrong type of key or a signature of another length is simply not a signature.
 */
export function verifyWith(
  publicKey: KeyObject,
  domain: SignatureDomain,
  bytes: Uint8Array,
  signature: Uint8Array,
): boolean {
  const algorithm = algorithmOfDomain(domain);
  if (!algorithm || signature.length !== algorithm.signatureBytes) return false;
  try {
    // A private key would verify too; holding one where a public key belongs is a mistake worth refusing.
    if (publicKey.type !== 'public' || !keyFits(publicKey, algorithm)) return false;
    return verify(algorithm.digest, coveredBytes(domain, bytes), keyFor(algorithm, publicKey), signature);
  } catch {
    return false;
  }
}

// The encoding means something for ECDSA alone, and a key inside of options costs node:crypto another 25 µs.
const keyFor = ({ keyType }: SignatureAlgorithm, key: KeyObject): VerifyKeyObjectInput | KeyObject =>
  keyType === 'ec' ? { key, dsaEncoding: 'ieee-p1363' } : key;

/**
 * What a signature of a domain covers: the domain, a zero byte, and the bytes. No domain contains a zero byte, so none of
 * it can be read as another domain and other bytes.
 */
export const coveredBytes = (domain: SignatureDomain, bytes: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from(`${domain}\0`, 'utf8'), bytes]);
