import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import forge from 'node-forge';
import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import { type NodeId, nodeSpiffeId, type TrustDomain } from '../names.ts';
import { type Unverified, unverified } from '../unverified.ts';
import { issuingAlgorithm, keyFits } from './algorithms.ts';
import { type AltNames, nodeExtensions, subjectAltNames } from './certificate.ts';
import { type AltName, altNamesOf, commonNamesOf, extensionOids, extensionsIn } from './certificate-fields.ts';
import {
  type Asn1,
  binaryString,
  bytesOfBinary,
  childrenOf,
  contentOf,
  DerError,
  derOf,
  oidOf,
  parseDer,
} from './der.ts';
import { ipAddressText } from './ip-address.ts';
import { algorithmIdentifier } from './issuance.ts';
import type { KeyPair } from './port.ts';

const { Class, Type } = forge.asn1;

/** PKCS #9 extensionRequest (RFC 2985 §5.4.2): the one attribute that a request may have. */
export const extensionRequestOid = '1.2.840.113549.1.9.14';

/** What a request for a node’s certificate says, and that its key signed it. Whether it may be granted is not decided. */
export interface SigningRequest extends AltNames {
  readonly commonName: string;
  readonly uris: readonly string[];
  /** P-256. */
  readonly publicKey: KeyObject;
}

/** As it arrived: read, and nothing of it checked. */
interface ReadRequest extends Omit<SigningRequest, 'publicKey'> {
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
  readonly spki: Uint8Array;
}

export interface SigningRequestPlan extends AltNames {
  readonly nodeId: NodeId;
  readonly trustDomain: TrustDomain;
  readonly key: KeyPair;
  /** For an endpoint of the management API: no URI name, so that the certificate never passes for a node’s. */
  readonly server?: true;
}

/**
 * A PKCS #10 request (RFC 2986) for a node’s certificate, DER. As in certificates, forge builds the part to be signed,
 * the key in it is replaced, and node:crypto signs.
 */
export function createSigningRequest({ nodeId, trustDomain, key, dns, ip, server }: SigningRequestPlan): Uint8Array {
  const draft = forge.pki.createCertificationRequest();
  draft.publicKey = placeholderKey;
  const utf8Type = Type.UTF8 as number as forge.asn1.Class;
  draft.setSubject([{ name: 'commonName', value: nodeId, valueTagClass: utf8Type }]);
  const extensions = server
    ? [subjectAltNames([], { dns, ip })]
    : nodeExtensions(nodeSpiffeId(trustDomain, nodeId), { dns, ip });
  const names = extensions.filter(({ name }) => name === 'subjectAltName');
  draft.setAttributes([{ name: 'extensionRequest', extensions: names.map((extension) => ({ ...extension })) }]);
  const info = requestInfo(draft);
  (info.value as Asn1[])[2] = parseDer(binaryString(key.publicKey.export({ type: 'spki', format: 'der' })));
  const signature = sign(issuingAlgorithm.signature.digest, bytesOfBinary(derOf(info)), {
    key: key.privateKey,
    dsaEncoding: 'der',
  });
  const request = forge.asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, [
    info,
    algorithmIdentifier(),
    forge.asn1.create(Class.UNIVERSAL, Type.BITSTRING, false, `\0${binaryString(signature)}`),
  ]);
  return bytesOfBinary(derOf(request));
}

const three = new forge.jsbn.BigInteger('3');
/** forge wants an RSA key where the real one will stand. */
const placeholderKey = forge.pki.setRsaPublicKey(three, three);

// The published types leave this function out.
const requestInfo = (
  forge.pki as unknown as { getCertificationRequestInfo: (draft: forge.pki.CertificateSigningRequest) => Asn1 }
).getCertificationRequestInfo;

/**
 * Reads a PKCS #10 request: canonical DER, one common name as its whole subject, and alternative names as the only
 * extension that is asked for. Whoever asks for more, such as to be a CA, is refused here and not given less than it
 * asked for. MALFORMED, LIMIT_EXCEEDED, CERTIFICATE_REFUSED.
 */
export function readSigningRequest(der: Uint8Array): Result<Unverified<ReadRequest>> {
  if (der.length > limits.signingRequestBytesMax)
    return refuse('LIMIT_EXCEEDED', `A request has at most ${limits.signingRequestBytesMax} bytes.`);
  try {
    return requestOf(parseDer(binaryString(der)));
  } catch (error) {
    return refuse('MALFORMED', error instanceof DerError ? error.message : 'The request is not readable DER.');
  }
}

function requestOf(tree: Asn1): Result<Unverified<ReadRequest>> {
  const [info, algorithm, signature, ...more] = childrenOf(tree, Type.SEQUENCE, 'The request');
  const [version, subject, spki, attributes, ...rest] = childrenOf(info, Type.SEQUENCE, 'The signed part');
  if (more.length > 0 || rest.length > 0) throw new DerError('The request has more parts than it may have.');
  if (contentOf(version, Type.INTEGER, 'The version') !== '\0') throw new DerError('The request is not of version 1.');
  const [oid, ...parameters] = childrenOf(algorithm, Type.SEQUENCE, 'The signature algorithm');
  if (oidOf(oid, 'The algorithm’s OID') !== issuingAlgorithm.signatureOid || parameters.length > 0)
    return refuse('CERTIFICATE_REFUSED', 'The request is not signed with ECDSA and SHA-256.');
  const bits = contentOf(signature, Type.BITSTRING, 'The signature');
  if (bits.charCodeAt(0) !== 0) throw new DerError('The signature is not in its form.');
  const [commonName] = commonNamesOf(subject);
  const parts = childrenOf(subject, Type.SEQUENCE, 'The subject');
  const attributeCount = parts.flatMap((part) => childrenOf(part, Type.SET, 'A part of the subject')).length;
  if (commonName === undefined || attributeCount !== 1)
    return refuse('CERTIFICATE_REFUSED', 'The subject is not one common name and nothing else.');
  const extensions = requestedExtensions(attributes);
  const others = [...extensions.keys()].filter((requested) => requested !== extensionOids.subjectAltName);
  if (others.length > 0)
    return refuse(
      'CERTIFICATE_REFUSED',
      `The request asks for the extension ${others[0]}; only alternative names may be asked for.`,
    );
  const altNames = altNamesOf(extensions.get(extensionOids.subjectAltName));
  if (altNames.length > limits.altNamesMax + 1)
    return refuse('LIMIT_EXCEEDED', `More than ${limits.altNamesMax} alternative names.`);
  const ip = valuesOf(altNames, 7);
  if (
    altNames.some(({ tag }) => tag !== 2 && tag !== 6 && tag !== 7) ||
    ip.some((value) => !/^(.{4}|.{16})$/s.test(value))
  )
    return refuse('CERTIFICATE_REFUSED', 'There is an alternative name that is neither URI, DNS name nor IP address.');
  return ok(
    unverified({
      commonName,
      uris: valuesOf(altNames, 6),
      dns: valuesOf(altNames, 2),
      ip: ip.map((value) => ipAddressText(bytesOfBinary(value))),
      signed: bytesOfBinary(derOf(info!)),
      signature: bytesOfBinary(bits.slice(1)),
      spki: bytesOfBinary(derOf(spki!)),
    }),
  );
}

/** One attribute, with one list of extensions. */
function requestedExtensions(attributes: Asn1 | undefined): ReturnType<typeof extensionsIn> {
  const [attribute, ...more] = childrenOf(attributes, 0, 'The attributes', 0x80);
  const [oid, values, ...rest] = childrenOf(attribute, Type.SEQUENCE, 'An attribute');
  const [list, ...lists] = childrenOf(values, Type.SET, 'An attribute’s values');
  if (more.length + rest.length + lists.length > 0 || oidOf(oid, 'An attribute’s OID') !== extensionRequestOid)
    throw new DerError('The request has attributes besides one list of extensions.');
  return extensionsIn(list);
}

const valuesOf = (names: readonly AltName[], wanted: number): string[] =>
  names.filter(({ tag }) => tag === wanted).map(({ value }) => value);

/**
 * Whether the key in the request signed it (RFC 2986 §4.2): whoever asks holds the private key. CERTIFICATE_REFUSED for
 * another kind of key, SIGNATURE_INVALID. Who asks is not judged here.
 */
export function verifySigningRequest(request: Unverified<ReadRequest>): Result<SigningRequest> {
  const { signed, signature, spki, commonName, uris, dns, ip } = request.unverified;
  const publicKey = p256Key(spki);
  if (!publicKey) return refuse('CERTIFICATE_REFUSED', 'The key is not a P-256 public key.');
  if (!signedWith(publicKey, signed, signature))
    return refuse('SIGNATURE_INVALID', 'The request is not signed with the key that it names.');
  return ok({ commonName, uris, dns, ip, publicKey });
}

/** A key that OpenSSL writes back otherwise (compressed points) is another one to whoever compares bytes. */
function p256Key(spki: Uint8Array): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
    const same = key.export({ type: 'spki', format: 'der' }).equals(spki);
    return same && keyFits(key, issuingAlgorithm.signature) ? key : undefined;
  } catch {
    return undefined;
  }
}

function signedWith(key: KeyObject, bytes: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(issuingAlgorithm.signature.digest, bytes, { key, dsaEncoding: 'der' }, signature);
  } catch {
    return false;
  }
}
