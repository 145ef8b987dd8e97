import type { KeyObject } from 'node:crypto';

/** What is known of one way to sign. */
export interface SignatureAlgorithm {
  /** node:crypto’s name of the key type. */
  readonly keyType: 'ed25519' | 'ec';
  /** node:crypto’s name of the curve; undefined where the key type implies it. */
  readonly namedCurve: string | undefined;
  /** The digest given to node:crypto; null where the algorithm hashes by itself. */
  readonly digest: 'sha256' | null;
  /** Length of a signature as this project carries it (ECDSA: r and s side by side, IEEE P1363). */
  readonly signatureBytes: number;
}

/** What a certificate’s AlgorithmIdentifiers must say (RFC 5758 §3.2, RFC 5480 §2.1); all without further parameters. */
export interface CertificateAlgorithm {
  readonly signature: SignatureAlgorithm;
  readonly signatureOid: string;
  readonly keyOid: string;
  readonly curveOid: string;
}

/** A frozen table without a prototype: what was not written into it, `constructor` included, is absent. */
const table = <T extends object>(entries: T): Readonly<T> => Object.freeze(Object.assign(Object.create(null), entries));

/** Every algorithm that signs anything in Caxton. What is absent is refused. */
const signatureAlgorithms = table({
  ed25519: { keyType: 'ed25519', namedCurve: undefined, digest: null, signatureBytes: 64 },
  'ecdsa-p256-sha256': { keyType: 'ec', namedCurve: 'prime256v1', digest: 'sha256', signatureBytes: 64 },
} as const satisfies Record<string, SignatureAlgorithm>);

/**
 * What a signature is for, and the one algorithm that makes it. The domain string is signed before the bytes, so that
 * a signature made for one purpose is worthless for another.
 */
export const signatureDomains = table({
  'caxton gossip claim v1': 'ed25519',
  'caxton capability v1': 'ed25519',
  'caxton deployment v1': 'ed25519',
  'caxton notice v1': 'ed25519',
  'caxton message v1': 'ed25519',
  'caxton roots acknowledgement v1': 'ed25519',
  'caxton claim-key binding v1': 'ecdsa-p256-sha256',
  'caxton re-enrolment v1': 'ecdsa-p256-sha256',
} as const satisfies Record<string, keyof typeof signatureAlgorithms>);

/** The closed set of purposes. */
export type SignatureDomain = keyof typeof signatureDomains;

/** By the signature’s OID as a certificate carries it. */
const certificateAlgorithms: Readonly<Record<string, CertificateAlgorithm>> = table({
  '1.2.840.10045.4.3.2': {
    signature: signatureAlgorithms['ecdsa-p256-sha256'],
    signatureOid: '1.2.840.10045.4.3.2',
    keyOid: '1.2.840.10045.2.1',
    curveOid: '1.2.840.10045.3.1.7',
  },
});

/** The algorithm that new certificates are signed with: ECDSA P-256 with SHA-256. */
export const issuingAlgorithm: CertificateAlgorithm = certificateAlgorithms['1.2.840.10045.4.3.2']!;

/** The algorithm of a domain; undefined when the domain is not in the table. */
export function algorithmOfDomain(domain: string): SignatureAlgorithm | undefined {
  const name = (signatureDomains as Readonly<Record<string, keyof typeof signatureAlgorithms>>)[domain];
  return name === undefined ? undefined : signatureAlgorithms[name];
}

/** The algorithm that a certificate’s signature OID names; undefined when it is not accepted. */
export const certificateAlgorithm = (signatureOid: string): CertificateAlgorithm | undefined =>
  certificateAlgorithms[signatureOid];

/** Whether a key is of the algorithm’s type and curve. */
export const keyFits = (key: KeyObject, algorithm: SignatureAlgorithm): boolean =>
  key.asymmetricKeyType === algorithm.keyType && key.asymmetricKeyDetails?.namedCurve === algorithm.namedCurve;
