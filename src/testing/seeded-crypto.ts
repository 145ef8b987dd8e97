import { createECDH, createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import type { Crypto, KeyPair, KeyType } from '../crypto/port.ts';

const keyBytes = 32;

/** RFC 8410 §7: the PKCS #8 of these two types is this prefix and the 32 bytes of the private key. */
const pkcs8Prefix = {
  ed25519: Buffer.from('302e020100300506032b657004220420', 'hex'),
  x25519: Buffer.from('302e020100300506032b656e04220420', 'hex'),
} as const;

/**
 * NOT FOR PRODUCTION: keys, nonces and serials that everybody can work out who knows the seed. It makes a run repeatable
 * and protects nothing. A node uses it only when a program hands it over as `ports.crypto`.
 *
 * Bytes are SHA-256 of the seed and a counter. Key pairs are real ones, made of such bytes; only ECDSA signatures, and
 * with them the certificates of a cluster, still differ from run to run, because node:crypto chooses their nonces.
 */
export function insecureSeededCrypto(seed: number | string): Crypto {
  const root = createHash('sha256').update(`caxton testing kit, insecure: ${seed}`).digest();
  let counter = 0;
  let pool = Buffer.alloc(0);
  const randomBytes = (length: number): Uint8Array => {
    const parts = [pool];
    for (let held = pool.length; held < length; held += keyBytes) {
      const block = createHash('sha256').update(root).update(String(counter++)).digest();
      parts.push(block);
    }
    const bytes = Buffer.concat(parts);
    pool = bytes.subarray(length);
    return new Uint8Array(bytes.subarray(0, length));
  };
  return {
    randomBytes,
    generateKeyPair: (type) => pairOf(type === 'p256' ? p256Key(randomBytes) : edwardsKey(type, randomBytes(keyBytes))),
  };
}

const pairOf = (privateKey: KeyObject): KeyPair => ({ privateKey, publicKey: createPublicKey(privateKey) });

const edwardsKey = (type: Exclude<KeyType, 'p256'>, bytes: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.concat([pkcs8Prefix[type], bytes]), format: 'der', type: 'pkcs8' });

/** A scalar from 1 to n − 1: bytes outside are thrown away and drawn again (FIPS 186-5 §A.2.2), once in 2³². */
function p256Key(randomBytes: (length: number) => Uint8Array): KeyObject {
  for (;;) {
    const scalar = Buffer.from(randomBytes(keyBytes));
    const curve = createECDH('prime256v1');
    try {
      curve.setPrivateKey(scalar);
    } catch {
      continue;
    }
    // Uncompressed: 4, x, y.
    const point = curve.getPublicKey();
    return createPrivateKey({
      format: 'jwk',
      key: {
        kty: 'EC',
        crv: 'P-256',
        d: scalar.toString('base64url'),
        x: point.subarray(1, 1 + keyBytes).toString('base64url'),
        y: point.subarray(1 + keyBytes).toString('base64url'),
      },
    });
  }
}
