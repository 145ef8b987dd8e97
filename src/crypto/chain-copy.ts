import { type KeyObject, sign, X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import { issuingAlgorithm } from './algorithms.ts';
import { type Asn1, binaryString, bytesOfBinary, childrenOf, derOf, parseDer } from './der.ts';
import { algorithmIdentifier } from './issuance.ts';
import { privateKeyToPem } from './keys.ts';
import type { Crypto, KeyPair } from './port.ts';
import { isSignedWith, isTime, signedForm, timeOf } from './signed-form.ts';

const { Class, Type } = forge.asn1;

/** What belongs to one path: each in DER, and already read without a complaint. */
export interface PathMaterial {
  readonly leaf: Uint8Array;
  /** In any order. */
  readonly intermediates: readonly Uint8Array[];
  readonly anchors: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
}

/** The same path under keys that are known here, PEM. */
export interface PathCopy {
  /** The leaf and its intermediates, as a TLS peer shows them. */
  readonly chainPem: string;
  readonly keyPem: string;
  readonly anchorsPem: string;
  readonly crlPems: readonly string[];
}

/**
 * A copy of a path that a TLS library can be shown by somebody who does not hold the leaf’s key. OpenSSL validates paths
 * (RFC 5280 §6) only where a peer proves that it has the key, and judges at the time of this machine. So every key is
 * replaced with one of ours, the same key with the same one, and every certificate and list is signed anew, by the copy of
 * the key that really signed it; one whose signature no key here verifies is signed by a key that nobody has. All else
 * stays byte for byte: names, extensions, serials, lengths. Times are moved by `shiftMs`, so that “now” is another moment.
 * The verdict on the copy is the verdict on the path, but for the strength of its keys and signatures.
 *
 * Throws when something is not in the form that the readers have promised.
 */
export function copyPath(crypto: Crypto, material: PathMaterial, shiftMs: number): PathCopy {
  const { leaf, intermediates, anchors, crls } = material;
  const all = [leaf, ...intermediates, ...anchors].map((der) => new X509Certificate(der));
  const pairs = new Map<string, KeyPair>();
  const pairOf = (key: KeyObject): KeyPair => {
    const name = key.export({ type: 'spki', format: 'der' }).toString('latin1');
    const pair = pairs.get(name) ?? crypto.generateKeyPair('p256');
    pairs.set(name, pair);
    return pair;
  };
  const stranger = crypto.generateKeyPair('p256');
  const keys = all.map(({ publicKey }) => publicKey);
  const signerOf = (signed: (key: KeyObject) => boolean): KeyObject => {
    const key = keys.find((candidate) => quietly(() => signed(candidate)));
    return (key ? pairOf(key) : stranger).privateKey;
  };
  const certificate = (der: Uint8Array): string => {
    const x509 = new X509Certificate(der);
    const signer = signerOf((key) => x509.verify(key));
    return copied('CERTIFICATE', der, signer, (parts) => {
      parts[2] = algorithmIdentifier();
      if (shiftMs !== 0) parts[4] = sequence((parts[4]!.value as Asn1[]).map((time) => shifted(time, shiftMs)));
      parts[6] = parseDer(binaryString(pairOf(x509.publicKey).publicKey.export({ type: 'spki', format: 'der' })));
    });
  };
  const list = (der: Uint8Array): string => {
    const form = signedForm(der, 'The revocation list');
    const signer = signerOf((key) => isSignedWith(form, key));
    return copied('X509 CRL', der, signer, (parts) => {
      // The version is there or not; what follows it is always the algorithm (RFC 5280 §5.1).
      const at = parts.findIndex(({ type, tagClass }) => type === Type.SEQUENCE && tagClass === 0);
      parts[at] = algorithmIdentifier();
      for (const [index, part] of parts.entries())
        if (shiftMs !== 0 && isTime(part)) parts[index] = shifted(part, shiftMs);
    });
  };
  return {
    chainPem: [leaf, ...intermediates].map(certificate).join(''),
    keyPem: privateKeyToPem(pairOf(all[0]!.publicKey).privateKey),
    anchorsPem: anchors.map(certificate).join(''),
    crlPems: crls.map(list),
  };
}

/** Both signed forms of RFC 5280 are the part that is signed, the algorithm, and the signature. */
function copied(label: string, der: Uint8Array, signer: KeyObject, change: (parts: Asn1[]) => void): string {
  const tree = parseDer(binaryString(der));
  const [signed] = childrenOf(tree, Type.SEQUENCE, label);
  const parts = [...childrenOf(signed, Type.SEQUENCE, label)];
  change(parts);
  const tbs = sequence(parts);
  const signature = sign(issuingAlgorithm.signature.digest, bytesOfBinary(derOf(tbs)), {
    key: signer,
    dsaEncoding: 'der',
  });
  const bits = forge.asn1.create(Class.UNIVERSAL, Type.BITSTRING, false, `\0${binaryString(signature)}`);
  return pemOf(label, derOf(sequence([tbs, algorithmIdentifier(), bits])));
}

const pemOf = (label: string, der: string): string =>
  `-----BEGIN ${label}-----\n${(
    Buffer.from(der, 'latin1')
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  ).join('\n')}\n-----END ${label}-----\n`;

const sequence = (parts: Asn1[]): Asn1 => forge.asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, parts);

/** A key of another kind than the signature throws where one that does not fit says no. */
function quietly(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    return false;
  }
}

/** What RFC 5280 can write: to the end of the year 9999. */
const timeMsMax = Date.UTC(9999, 11, 31, 23, 59, 59);

function shifted(time: Asn1, shiftMs: number): Asn1 {
  const moved = new Date(Math.max(0, Math.min(timeMsMax, timeOf(time) + shiftMs)));
  const utc = moved.getTime() < Date.UTC(2050, 0, 1);
  const value = utc ? forge.asn1.dateToUtcTime(moved) : forge.asn1.dateToGeneralizedTime(moved);
  return forge.asn1.create(Class.UNIVERSAL, utc ? Type.UTCTIME : Type.GENERALIZEDTIME, false, String(value));
}
