import forge from 'node-forge';
import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import { type Asn1, binaryString, childrenOf, contentOf, DerError, derOf, oidOf, parseDer } from './der.ts';

const { Type } = forge.asn1;

/** Object identifiers of the extensions that this project writes and reads (RFC 5280 §4.2.1). */
export const extensionOids = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyIdentifier: '2.5.29.35',
  extKeyUsage: '2.5.29.37',
} as const;

/** Object identifiers of the two extended key usages of a node (RFC 5280 §4.2.1.12). */
export const keyPurposes = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' } as const;

const commonNameOid = '2.5.4.3';
const knownExtensions: ReadonlySet<string> = new Set(Object.values(extensionOids));

/** One alternative name. `value` is the raw content as a binary string: nothing is unescaped or guessed. */
export interface AltName {
  /** The context tag of GeneralName: 2 DNS, 6 URI, 7 IP address; others as they come. */
  readonly tag: number;
  readonly value: string;
}

/** The bits of KeyUsage that matter here (RFC 5280 §4.2.1.3). */
export interface KeyUsage {
  readonly critical: boolean;
  readonly digitalSignature: boolean;
  readonly keyCertSign: boolean;
  readonly cRLSign: boolean;
}

/** What a CA may sign (RFC 5280 §4.2.1.10), as far as it is said in URIs. */
export interface NameConstraints {
  readonly critical: boolean;
  /** Hosts of permitted URIs. */
  readonly permittedUris: readonly string[];
  /** Whether it says anything else: excluded names, or names of another kind. */
  readonly more: boolean;
}

/** What stands in a certificate, read but not judged: no signature and no time was checked. */
export interface CertificateFields {
  /** 3 for every certificate with extensions. */
  readonly version: number;
  /** From inside and outside of the signed part; they must be the same (RFC 5280 §4.1.1.2). */
  readonly signatureOids: readonly [inner: string, outer: string];
  /** Whether either AlgorithmIdentifier carries parameters; those accepted here never do. */
  readonly signatureParameters: boolean;
  readonly subject: Asn1;
  readonly commonNames: readonly string[];
  readonly keyOid: string;
  readonly curveOid: string | undefined;
  readonly altNames: readonly AltName[];
  readonly keyUsage: KeyUsage | undefined;
  readonly extKeyUsage: readonly string[] | undefined;
  readonly isCa: boolean;
  /** How many intermediates may stand below a CA; undefined when nothing is said. */
  readonly pathLength: number | undefined;
  readonly nameConstraints: NameConstraints | undefined;
  /** Binary string of the key identifier. */
  readonly subjectKeyIdentifier: string | undefined;
  /** Critical extensions that this reader does not understand, by OID. */
  readonly unknownCritical: readonly string[];
}

/** An extension as it stands, not read. */
export interface Extension {
  readonly critical: boolean;
  /** Binary string. */
  readonly value: string;
}

/**
 * Reads the fields of an X.509 certificate from DER. MALFORMED when it is not canonical DER, not in the form of
 * RFC 5280 §4.1, or has an extension twice; LIMIT_EXCEEDED when it is too long.
 */
export function readCertificateFields(der: Uint8Array): Result<CertificateFields> {
  if (der.length > limits.certificateBytesMax)
    return refuse('LIMIT_EXCEEDED', `A certificate may have ${limits.certificateBytesMax} bytes at most.`);
  try {
    return ok(fieldsOf(parseDer(binaryString(der))));
  } catch (error) {
    return refuse('MALFORMED', error instanceof DerError ? error.message : 'The certificate is not readable DER.');
  }
}

function fieldsOf(certificate: Asn1): CertificateFields {
  const [tbs, outer, , ...more] = childrenOf(certificate, Type.SEQUENCE, 'The certificate');
  const [version, , inner, , , subject, spki, ...rest] = childrenOf(tbs, Type.SEQUENCE, 'The signed part');
  if (more.length > 0 || rest.length > 1) throw new DerError('The certificate has more parts than it may have.');
  const innerAlgorithm = childrenOf(inner, Type.SEQUENCE, 'The signature algorithm');
  const outerAlgorithm = childrenOf(outer, Type.SEQUENCE, 'The signature algorithm');
  const [keyAlgorithm] = childrenOf(spki, Type.SEQUENCE, 'The public key');
  const [keyOid, curve] = childrenOf(keyAlgorithm, Type.SEQUENCE, 'The public key’s algorithm');
  const extensions = extensionsOf(rest[0]);
  const value = (name: keyof typeof extensionOids): Extension | undefined => extensions.get(extensionOids[name]);
  const keyIdentifier = value('subjectKeyIdentifier');
  return {
    version: versionOf(version),
    signatureOids: [oidOf(innerAlgorithm[0], 'The algorithm’s OID'), oidOf(outerAlgorithm[0], 'The algorithm’s OID')],
    signatureParameters: innerAlgorithm.length !== 1 || outerAlgorithm.length !== 1,
    subject: subject!,
    commonNames: commonNamesOf(subject),
    keyOid: oidOf(keyOid, 'The public key’s algorithm'),
    curveOid: curve?.type === Type.OID ? oidOf(curve, 'The curve') : undefined,
    altNames: altNamesOf(value('subjectAltName')),
    keyUsage: keyUsageOf(value('keyUsage')),
    extKeyUsage: extKeyUsageOf(value('extKeyUsage')),
    ...basicConstraintsOf(value('basicConstraints')),
    nameConstraints: nameConstraintsOf(value('nameConstraints')),
    subjectKeyIdentifier:
      keyIdentifier && contentOf(parseDer(keyIdentifier.value), Type.OCTETSTRING, 'The key identifier'),
    unknownCritical: [...extensions].filter(([oid, { critical }]) => critical && !knownExtensions.has(oid)).map(first),
  };
}

const first = <T>([head]: readonly [T, unknown]): T => head;

const versionOf = (tree: Asn1 | undefined): number => {
  const [number] = childrenOf(tree, 0, 'The version', 0x80);
  return contentOf(number, Type.INTEGER, 'The version').charCodeAt(0) + 1;
};

function extensionsOf(tree: Asn1 | undefined): ReadonlyMap<string, Extension> {
  if (!tree) return new Map();
  const [list] = childrenOf(tree, 3, 'The extensions', 0x80);
  return extensionsIn(list);
}

/** The list of extensions of a certificate or of a request for one, by OID. Throws DerError. */
export function extensionsIn(list: Asn1 | undefined): ReadonlyMap<string, Extension> {
  const found = new Map<string, Extension>();
  for (const item of childrenOf(list, Type.SEQUENCE, 'The list of extensions')) {
    const parts = childrenOf(item, Type.SEQUENCE, 'An extension');
    const oid = oidOf(parts[0], 'An extension’s OID');
    const flag = parts.length === 3 ? contentOf(parts[1], Type.BOOLEAN, 'An extension’s critical flag') : undefined;
    if (parts.length > 3 || (flag !== undefined && flag !== '\xff')) throw new DerError('An extension has a bad form.');
    // Two extensions of one kind are how two readers are made to see two certificates (RFC 5280 §4.2).
    if (found.has(oid)) throw new DerError(`The extension ${oid} is there twice.`);
    const value = contentOf(parts.at(-1), Type.OCTETSTRING, 'An extension’s value');
    found.set(oid, { critical: flag !== undefined, value });
  }
  return found;
}

/** Throws DerError. */
export function commonNamesOf(subject: Asn1 | undefined): string[] {
  const names: string[] = [];
  for (const part of childrenOf(subject, Type.SEQUENCE, 'The subject'))
    for (const attribute of childrenOf(part, Type.SET, 'A part of the subject')) {
      const [oid, value] = childrenOf(attribute, Type.SEQUENCE, 'An attribute of the subject');
      if (oidOf(oid, 'An attribute’s OID') !== commonNameOid) continue;
      const type = value?.type === Type.UTF8 ? Type.UTF8 : Type.PRINTABLESTRING;
      names.push(contentOf(value, type, 'The common name'));
    }
  return names;
}

/** Throws DerError. */
export const altNamesOf = (extension: Extension | undefined): AltName[] =>
  extension ? altNamesIn(extension.value) : [];

/** The names in the value of a SubjectAltName extension, a binary string. Throws DerError. */
export function altNamesIn(value: string): AltName[] {
  return childrenOf(parseDer(value), Type.SEQUENCE, 'The alternative names').map((name) => {
    if (name.tagClass !== 0x80) throw new DerError('An alternative name has a bad form.');
    // Structured kinds (directory names and the like) keep their DER: they are refused by their tag.
    return { tag: name.type, value: typeof name.value === 'string' ? name.value : derOf(name) };
  });
}

function keyUsageOf(extension: Extension | undefined): KeyUsage | undefined {
  if (!extension) return undefined;
  const bits = contentOf(parseDer(extension.value), Type.BITSTRING, 'The key usage');
  const unused = bits.charCodeAt(0);
  if (bits.length < 2 || bits.length > 3 || unused > 7) throw new DerError('The key usage has a bad form.');
  const byte = bits.charCodeAt(1);
  const has = (bit: number): boolean => (byte & (0x80 >> bit)) !== 0;
  return { critical: extension.critical, digitalSignature: has(0), keyCertSign: has(5), cRLSign: has(6) };
}

const extKeyUsageOf = (extension: Extension | undefined): string[] | undefined =>
  extension &&
  childrenOf(parseDer(extension.value), Type.SEQUENCE, 'The extended key usage').map((purpose) =>
    oidOf(purpose, 'An extended key usage'),
  );

/** Absent means no (RFC 5280 §4.2.1.9). */
function basicConstraintsOf(extension: Extension | undefined): { isCa: boolean; pathLength: number | undefined } {
  if (!extension) return { isCa: false, pathLength: undefined };
  const parts = [...childrenOf(parseDer(extension.value), Type.SEQUENCE, 'The basic constraints')];
  // Anything but an explicit no counts as a yes: the reader that is wrong about this must err to the safe side.
  const flag = parts[0]?.type === Type.BOOLEAN ? contentOf(parts.shift(), Type.BOOLEAN, 'The CA flag') : '\0';
  const length = parts.shift();
  if (parts.length > 0) throw new DerError('The basic constraints have a bad form.');
  if (length === undefined) return { isCa: flag !== '\0', pathLength: undefined };
  const bytes = contentOf(length, Type.INTEGER, 'The path length');
  if (bytes.length !== 1 || bytes.charCodeAt(0) > 0x7f) throw new DerError('The path length has a bad form.');
  return { isCa: flag !== '\0', pathLength: bytes.charCodeAt(0) };
}

function nameConstraintsOf(extension: Extension | undefined): NameConstraints | undefined {
  if (!extension) return undefined;
  const permittedUris: string[] = [];
  let more = false;
  for (const part of childrenOf(parseDer(extension.value), Type.SEQUENCE, 'The name constraints')) {
    if (part.type !== 0) more = true;
    else
      for (const subtree of childrenOf(part, 0, 'The permitted names', 0x80)) {
        const [base, ...distances] = childrenOf(subtree, Type.SEQUENCE, 'A permitted name');
        if (base?.tagClass === 0x80 && base.type === 6 && typeof base.value === 'string' && distances.length === 0)
          permittedUris.push(base.value);
        else more = true;
      }
  }
  return { critical: extension.critical, permittedUris, more };
}
