import { type KeyObject, X509Certificate } from 'node:crypto';
import { ok, type Result, refuse } from '../errors.ts';
import type { TrustDomain } from '../names.ts';
import {
  certificatesFromPem,
  isSelfIssued,
  orderedChain,
  type ReadCertificate,
  readCertificate,
} from './certificate-chain.ts';
import { algorithmFindings, urisOf } from './certificate-findings.ts';

/** A bundle of roots as cluster documents carry it, each certificate as DER in base64. */
export interface BundleTexts {
  readonly trustDomain: string;
  readonly roots: readonly string[];
  readonly issuing: number;
  readonly crossSigned: readonly string[];
}

export interface BundleRoot {
  /** DER in base64, as in the document. */
  readonly text: string;
  readonly pem: string;
  /** Upper-case hex. */
  readonly serial: string;
  /** Milliseconds since 1970. */
  readonly notAfter: number;
}

/** A bundle whose certificates were read and fit together. */
export interface RootBundle {
  readonly roots: readonly BundleRoot[];
  readonly issuing: BundleRoot;
  /** All roots, PEM, the issuing one first: whom TLS believes. */
  readonly caPem: string;
  /** The roots that others have signed, PEM: what stands behind a certificate under one of them. */
  readonly crossPem: string;
}

/**
 * Reads a bundle and sees that it can be believed as a whole: every root is a CA of this trust domain, signed by itself, with
 * a name and a key of its own; what is cross-signed is one of the roots, signed by another. Says nothing about times.
 * CERTIFICATE_REFUSED, MALFORMED, PROTOCOL_VIOLATION for another trust domain: bundles of two domains never merge.
 */
export function readRootBundle(body: BundleTexts, trustDomain: TrustDomain): Result<RootBundle> {
  if (body.trustDomain !== trustDomain)
    return refuse(
      'PROTOCOL_VIOLATION',
      `The roots are of the trust domain ${body.trustDomain}, and this is ${trustDomain}: their bundles never merge.`,
    );
  const roots: ReadCertificate[] = [];
  for (const [at, text] of body.roots.entries()) {
    const root = readText(text, `Root ${at + 1}`);
    if (!root.ok) return root;
    const wrong = faultOfRoot(root.value, trustDomain) ?? faultBeside(root.value, roots);
    if (wrong !== undefined) return refuse('CERTIFICATE_REFUSED', `Root ${at + 1} ${wrong}.`);
    roots.push(root.value);
  }
  const crossed: ReadCertificate[] = [];
  for (const [at, text] of body.crossSigned.entries()) {
    const cross = readText(text, `Cross-signed root ${at + 1}`);
    if (!cross.ok) return cross;
    const wrong = faultOfCross(cross.value, roots, trustDomain);
    if (wrong !== undefined) return refuse('CERTIFICATE_REFUSED', `Cross-signed root ${at + 1} ${wrong}.`);
    crossed.push(cross.value);
  }
  const known = roots.map(({ x509 }, at) => ({
    text: body.roots[at]!,
    pem: x509.toString(),
    serial: x509.serialNumber,
    notAfter: x509.validToDate.getTime(),
  }));
  return ok({
    roots: known,
    issuing: known[body.issuing]!,
    caPem: known
      .toSorted((a, b) => Number(known.indexOf(b) === body.issuing) - Number(known.indexOf(a) === body.issuing))
      .map(({ pem }) => pem)
      .join(''),
    crossPem: crossed.map(({ x509 }) => x509.toString()).join(''),
  });
}

/**
 * The serial of the root, of those in a PEM text, to which a chain leads: each certificate signed by the one above it.
 * Undefined when it leads to none, or one of the texts cannot be read. Says nothing about times and purposes.
 */
export function rootAbove(chainPem: string, rootsPem: string): string | undefined {
  const [chain, roots] = [certificatesFromPem(chainPem), certificatesFromPem(rootsPem)];
  if (!chain.ok || !roots.ok) return undefined;
  const known = roots.value.map((der) => new X509Certificate(der));
  const [first, ...above] = chain.value;
  const path = orderedChain(first!, above).map((der) => new X509Certificate(der));
  for (const [at, x509] of path.entries()) {
    const root = known.find(
      (one) => one.raw.equals(x509.raw) || (x509.checkIssued(one) && verifies(x509, one.publicKey)),
    );
    if (root) return root.serialNumber;
    const issuer = path[at + 1];
    if (!issuer || !verifies(x509, issuer.publicKey)) return undefined;
  }
  return undefined;
}

/** A certificate of a PEM text as bundles carry it. */
export const bundleText = (der: Uint8Array): string => Buffer.from(der).toString('base64');

/** The roots of a PEM text, and what stands in it beside them, as bundles carry them. MALFORMED. */
export function rootsInPem(
  pem: string,
): Result<{ readonly roots: readonly string[]; readonly others: readonly string[] }> {
  const parts = certificatesFromPem(pem);
  if (!parts.ok) return parts;
  const read = parts.value.flatMap((der) => {
    const certificate = readCertificate(der);
    return certificate.ok ? [certificate.value] : [];
  });
  const texts = (all: readonly ReadCertificate[]) => [...new Set(all.map(({ x509 }) => bundleText(x509.raw)))];
  return ok({
    roots: texts(read.filter(({ x509 }) => isSelfIssued(x509))),
    others: texts(read.filter(({ x509 }) => !isSelfIssued(x509))),
  });
}

function readText(text: string, what: string): Result<ReadCertificate> {
  const der = new Uint8Array(Buffer.from(text, 'base64'));
  // One certificate has one text, or what two documents hold could not be compared.
  if (bundleText(der) !== text) return refuse('MALFORMED', `${what} is not canonical base64.`);
  const read = readCertificate(der);
  return read.ok ? read : refuse('MALFORMED', `${what}: ${read.refusal.reasons[0]}`);
}

function faultOfRoot(root: ReadCertificate, trustDomain: TrustDomain): string | undefined {
  const { x509 } = root;
  if (!isSelfIssued(x509) || !signedBy(root, root.publicKey)) return 'is not signed by itself';
  return faultOfCa(root, trustDomain);
}

function faultOfCa(ca: ReadCertificate, trustDomain: TrustDomain): string | undefined {
  const { isCa, keyUsage, unknownCritical, nameConstraints, subjectKeyIdentifier } = ca.fields;
  const uris = urisOf(ca.fields);
  if (!isCa || !keyUsage?.keyCertSign || subjectKeyIdentifier === undefined) return 'may not sign certificates';
  if (uris.length !== 1 || uris[0] !== `spiffe://${trustDomain}`) return `is not of the trust domain ${trustDomain}`;
  if (unknownCritical.length > 0) return 'has a critical extension that is not known';
  if (nameConstraints) return 'has name constraints, which a root has not';
  return algorithmFindings('certificate', ca)[0]
    ?.text.replace(/^The certificate’s /, 'has another algorithm: its ')
    .replace(/\.$/, '');
}

/** Two of one name or key would be taken for each other where paths are built. */
function faultBeside({ x509 }: ReadCertificate, others: readonly ReadCertificate[]): string | undefined {
  return others.some((other) => other.x509.subject === x509.subject || other.x509.publicKey.equals(x509.publicKey))
    ? 'has the name or the key of another root'
    : undefined;
}

function faultOfCross(
  cross: ReadCertificate,
  roots: readonly ReadCertificate[],
  trustDomain: TrustDomain,
): string | undefined {
  const { x509, fields } = cross;
  const same = roots.some((root) => root.x509.subject === x509.subject && root.x509.publicKey.equals(x509.publicKey));
  if (!same) return 'is none of the roots';
  if (isSelfIssued(x509) || !roots.some((root) => x509.checkIssued(root.x509) && signedBy(cross, root.publicKey)))
    return 'is not signed by another of the roots';
  if (fields.pathLength !== 1) return 'does not say that one CA may stand below it';
  return faultOfCa(cross, trustDomain);
}

const signedBy = ({ x509 }: ReadCertificate, key: KeyObject | undefined): boolean =>
  key !== undefined && verifies(x509, key);

function verifies(x509: X509Certificate, key: KeyObject): boolean {
  try {
    return x509.verify(key);
  } catch {
    return false;
  }
}
