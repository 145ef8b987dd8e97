import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { certificateKeyId, isSelfIssued } from '../../crypto/certificate-chain.ts';
import { type AltName, keyPurposes, readCertificateFields } from '../../crypto/certificate-fields.ts';
import { readCertificateList } from '../../crypto/certificate-list.ts';
import { readCertificateRequest } from '../../crypto/certificate-request.ts';
import { ipAddressText } from '../../crypto/ip-address.ts';
import { keyIdOf, publicKeyToText, rawPublicKey } from '../../crypto/keys.ts';
import type { PemBlock } from './pem-blocks.ts';

/** What there is to say about one thing in a file, in the order in which a person asks; `kind` first. */
export type Facts = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** What a block is and says. Nothing is judged, and nothing secret is ever said. */
export function factsOf(block: PemBlock, now: number): Facts {
  const { label, der } = block;
  try {
    if (label === 'CERTIFICATE') return certificateFacts(der, now);
    if (label === 'CERTIFICATE REQUEST' || label === 'NEW CERTIFICATE REQUEST') return requestFacts(der);
    if (label === 'X509 CRL') return listFacts(der, now);
    if (label === 'PUBLIC KEY') return { kind: 'public key', ...keyFacts(createPublicKey(block.pem)) };
    if (label === 'ENCRYPTED PRIVATE KEY' || block.pem.includes('ENCRYPTED'))
      return { kind: 'private key', encrypted: true };
    if (label.endsWith('PRIVATE KEY'))
      return { kind: 'private key', encrypted: false, ...keyFacts(createPublicKey(createPrivateKey(block.pem))) };
  } catch {
    // Falls through: it is there, and it cannot be read.
  }
  return { kind: 'unreadable', label };
}

/** The kinds of a file that is DER and so says nothing of itself: the first that can read it. */
export function blockOfDer(der: Uint8Array): PemBlock {
  const labelled = (label: string): PemBlock => ({ label, pem: pemOf(label, der), der });
  const kinds = ['CERTIFICATE', 'X509 CRL', 'CERTIFICATE REQUEST', 'PUBLIC KEY', 'PRIVATE KEY'].map(labelled);
  return kinds.find((block) => factsOf(block, 0).kind !== 'unreadable') ?? labelled('DER');
}

const pemOf = (label: string, der: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(der).toString('base64')}\n-----END ${label}-----\n`;

function certificateFacts(der: Uint8Array, now: number): Facts {
  const x509 = new X509Certificate(der);
  const read = readCertificateFields(der);
  const fields = read.ok ? read.value : undefined;
  const key = quietly(() => x509.publicKey);
  const uses = fields?.keyUsage;
  const names = fields?.nameConstraints;
  return {
    kind: 'certificate',
    subject: oneLine(x509.subject),
    issuer: oneLine(x509.issuer),
    ...(isSelfIssued(x509) ? { selfSigned: true } : {}),
    serial: x509.serialNumber,
    notBefore: x509.validFromDate.toISOString(),
    notAfter: x509.validToDate.toISOString(),
    state: stateOf(x509.validFromDate.getTime(), x509.validToDate.getTime(), now),
    ...(fields ? { names: fields.altNames.map(nameText) } : { malformed: read.ok ? '' : read.refusal.reasons[0] }),
    ca: x509.ca,
    ...(fields?.pathLength === undefined ? {} : { pathLength: fields.pathLength }),
    ...(names ? { permittedUris: names.permittedUris, otherConstraints: names.more } : {}),
    ...(uses ? { keyUsage: usesOf(uses), keyUsageCritical: uses.critical } : {}),
    ...(fields?.extKeyUsage ? { extendedKeyUsage: fields.extKeyUsage.map(purposeOf) } : {}),
    ...(fields && fields.unknownCritical.length > 0 ? { unknownCritical: fields.unknownCritical } : {}),
    signature: x509.signatureAlgorithm ?? fields?.signatureOids[0] ?? 'unknown',
    ...(key ? keyFacts(key) : { key: 'of an unknown type' }),
    ...(fields?.subjectKeyIdentifier === undefined ? {} : { keyIdentifier: hex(fields.subjectKeyIdentifier) }),
    fingerprint256: x509.fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}

function requestFacts(der: Uint8Array): Facts {
  const read = readCertificateRequest(der);
  if (!read.ok) return { kind: 'unreadable', label: 'CERTIFICATE REQUEST', reason: read.refusal.reasons[0] };
  const { subject, publicKey, altNames, proved } = read.value;
  return {
    ...{ kind: 'certificate request', subject, names: altNames.map(nameText) },
    ...{ signedWithItsKey: proved, ...keyFacts(publicKey) },
  };
}

function listFacts(der: Uint8Array, now: number): Facts {
  const read = readCertificateList(der);
  if (!read.ok) return { kind: 'unreadable', label: 'X509 CRL', reason: read.refusal.reasons[0] };
  const { issuer, thisUpdate, nextUpdate, number, revoked } = read.value;
  return {
    ...{ kind: 'revocation list', issuer },
    ...(number === undefined ? {} : { number }),
    thisUpdate: new Date(thisUpdate).toISOString(),
    ...(nextUpdate === undefined ? {} : { nextUpdate: new Date(nextUpdate).toISOString() }),
    state: stateOf(thisUpdate, nextUpdate ?? Number.POSITIVE_INFINITY, now),
    revoked: revoked.map(({ serial, at }) => `${serial} since ${new Date(at).toISOString()}`),
  };
}

function keyFacts(key: KeyObject): Facts {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  const type = key.asymmetricKeyType ?? 'unknown';
  // Those that sign documents and claims are named in files by their text.
  if (type === 'ed25519') return { key: type, text: publicKeyToText(rawPublicKey(key)), keyId: keyIdOf(key) };
  const curve = namedCurve === 'prime256v1' ? 'P-256' : namedCurve;
  const size = curve ?? (modulusLength === undefined ? '' : `${modulusLength} bits`);
  return { key: `${type} ${size}`.trim(), keyId: certificateKeyId(key) };
}

const dayMs = 86_400_000;

function stateOf(begins: number, ends: number, now: number): string {
  if (now < begins) return 'not yet valid';
  if (now > ends) return 'expired';
  if (ends === Number.POSITIVE_INFINITY) return 'valid';
  const days = Math.floor((ends - now) / dayMs);
  return days > 0 ? `valid, ${days} days left` : `valid, ${Math.ceil((ends - now) / 60_000)} minutes left`;
}

const nameKinds: Readonly<Record<number, string>> = { 1: 'email', 2: 'DNS', 6: 'URI' };

function nameText({ tag, value }: AltName): string {
  if (tag === 7) return `IP:${ipAddressText(Buffer.from(value, 'latin1'))}`;
  const kind = nameKinds[tag];
  return kind === undefined ? `other (${tag})` : `${kind}:${value}`;
}

const purposeOf = (oid: string): string => Object.entries(keyPurposes).find(([, known]) => known === oid)?.[0] ?? oid;

const usesOf = (uses: { digitalSignature: boolean; keyCertSign: boolean; cRLSign: boolean }): string[] =>
  (['digitalSignature', 'keyCertSign', 'cRLSign'] as const).filter((use) => uses[use]);

const oneLine = (name: string | undefined): string => (name ?? '').split('\n').join(', ');

const hex = (binary: string): string => Buffer.from(binary, 'latin1').toString('hex');

function quietly<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
