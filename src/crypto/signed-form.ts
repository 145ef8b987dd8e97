import { type KeyObject, verify } from 'node:crypto';
import forge from 'node-forge';
import { type Asn1, binaryString, bytesOfBinary, childrenOf, derOf, oidOf, parseDer } from './der.ts';

const { Type } = forge.asn1;

/** The digests of signature algorithms by OID, of those that may sign a revocation list or a request (RFC 5758, 8017). */
const digests: Readonly<Record<string, string>> = {
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
};

/** What certificates, requests and revocation lists have in common: a part that is signed, the algorithm, the signature. */
export interface SignedForm {
  readonly signed: Asn1;
  readonly algorithmOid: string;
  /** Binary string. */
  readonly signature: string;
}

/** Reads the three parts. Throws DerError. */
export function signedForm(der: Uint8Array, what: string): SignedForm {
  const [signed, algorithm, bits, ...more] = childrenOf(parseDer(binaryString(der)), Type.SEQUENCE, what);
  const [oid] = childrenOf(algorithm, Type.SEQUENCE, 'The signature algorithm');
  if (!signed || more.length > 0 || bits?.type !== Type.BITSTRING || typeof bits.value !== 'string')
    throw new TypeError(`${what} is not in its form.`);
  return { signed, algorithmOid: oidOf(oid, 'The signature algorithm'), signature: bits.value.slice(1) };
}

/** Whether a key made the signature; no for an algorithm or key of another kind. */
export function isSignedWith({ signed, algorithmOid, signature }: SignedForm, key: KeyObject): boolean {
  const digest = Object.hasOwn(digests, algorithmOid) ? digests[algorithmOid] : undefined;
  if (digest === undefined) return false;
  try {
    return verify(digest, bytesOfBinary(derOf(signed)), { key, dsaEncoding: 'der' }, bytesOfBinary(signature));
  } catch {
    return false;
  }
}

const attributes: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
};

/** A name for people, the way OpenSSL writes it: `CN=…, O=…`. Throws DerError. */
export const nameText = (name: Asn1 | undefined): string =>
  childrenOf(name, Type.SEQUENCE, 'The name')
    .flatMap((part) => childrenOf(part, Type.SET, 'A part of the name'))
    .map((attribute) => {
      const [oid, value] = childrenOf(attribute, Type.SEQUENCE, 'An attribute of the name');
      const type = oidOf(oid, 'An attribute');
      const raw = typeof value?.value === 'string' ? value.value : '';
      const text = value?.type === Type.UTF8 ? Buffer.from(raw, 'latin1').toString('utf8') : raw;
      return `${attributes[type] ?? type}=${text}`;
    })
    .join(', ');

/** Whether a node is one of the two forms of time (RFC 5280 §4.1.2.5). */
export const isTime = ({ type, tagClass }: Asn1): boolean =>
  tagClass === 0 && (type === Type.UTCTIME || type === Type.GENERALIZEDTIME);

/** A time in milliseconds since 1970. */
export function timeOf({ type, value }: Asn1): number {
  const text = String(value);
  return (type === Type.UTCTIME ? forge.asn1.utcTimeToDate(text) : forge.asn1.generalizedTimeToDate(text)).getTime();
}
