import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { privateKeyFromPem } from '../../crypto/keys.ts';
import { ok, type Result, refuse } from '../../errors.ts';

/** The DER of the first certificate in a PEM text. */
export function certificateDer(pem: string): Result<Uint8Array> {
  try {
    return ok(new Uint8Array(new X509Certificate(pem).raw));
  } catch {
    return refuse('MALFORMED', 'The certificate file holds no readable PEM certificate.');
  }
}

/** A PKCS #8 private key; the refusal never quotes the text. */
export const readPrivateKey = (pem: string): Result<KeyObject> => privateKeyFromPem(pem);

/** Whether the private key’s public half is the certificate’s. */
export const keyMatches = (privateKey: KeyObject, publicKey: KeyObject): boolean =>
  createPublicKey(privateKey).equals(publicKey);
