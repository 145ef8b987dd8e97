import type { Refusal } from '../errors.ts';
import { limits } from '../limits.ts';

/**
 * Why a certificate is refused: the closed set. `caxton security verify` prints the code, the audit log’s refusals of
 * links begin with it, and a program may compare it; the sentence beside it says which certificate of the chain.
 */
export const certificateReasons = {
  NO_CERTIFICATE: 'No certificate was shown.',
  MALFORMED: 'The certificate is not in the form of RFC 5280, or is too long.',
  EXPIRED: 'The certificate, or one that it rests on, has ended.',
  NOT_YET_VALID: 'The certificate, or one that it rests on, has not begun.',
  OTHER_CA: 'No CA of the trust bundle is above it.',
  SELF_SIGNED: 'It is signed with its own key.',
  BAD_SIGNATURE: 'A signature of the chain does not match.',
  OTHER_TRUST_DOMAIN: 'It, or its CA, is of another trust domain.',
  NO_URI_NAME: 'It has no URI name.',
  TWO_URI_NAMES: 'It has more than one URI name.',
  WRONG_URI_NAME: 'Its URI name is not that of a node.',
  FOREIGN_NAME_KIND: 'It has a name that is neither URI, DNS name nor IP address.',
  CN_MISMATCH: 'Its common name is not the node id.',
  WRONG_NODE: 'It is of another node than the one expected.',
  IS_CA: 'It is a CA’s certificate.',
  KEY_USAGE_MISSING: 'It has no KeyUsage, or not as a critical extension.',
  WRONG_KEY_USAGE: 'Its KeyUsage is not that of a node.',
  WRONG_EKU: 'Its extended key usage lacks serverAuth or clientAuth.',
  UNKNOWN_CRITICAL: 'It has a critical extension that nobody knows.',
  BAD_SERIAL: 'Its serial number is not one.',
  WEAK_SIGNATURE: 'A certificate of the chain is not signed with ECDSA and SHA-256.',
  WEAK_KEY: 'A key of the chain is not P-256.',
  ISSUER_NOT_CA: 'A certificate above it may not sign certificates.',
  PATH_TOO_LONG: 'There are more intermediates than are allowed.',
  NAME_CONSTRAINT: 'A name is outside of what a CA above it may sign.',
  REVOKED: 'It was revoked.',
  ISSUER_REVOKED: 'A CA above it was revoked.',
  CRL_MISSING: 'A CA of the chain has no revocation list among those given.',
  CRL_EXPIRED: 'A revocation list has ended.',
  CRL_NOT_YET_VALID: 'A revocation list has not begun.',
  CRL_BAD_SIGNATURE: 'A revocation list is not signed by its CA.',
  RESUMED_SESSION: 'The TLS session was resumed, so no certificate was judged.',
  NO_ALPN: 'The protocol of links was not agreed on.',
  PATH_REFUSED: 'The TLS library refused the chain for a reason of its own.',
} as const;

/** A code of the closed set. */
export type CertificateReason = keyof typeof certificateReasons;

/** One thing that is wrong with a certificate. */
export interface CertificateFinding {
  readonly code: CertificateReason;
  /** A full sentence. */
  readonly text: string;
}

/** The refusal of a certificate. Its reasons are the findings as text: the code, a colon, the sentence. */
export interface CertificateRefusal extends Refusal {
  readonly findings: readonly [CertificateFinding, ...CertificateFinding[]];
}

/** A finding as it stands in a refusal’s reasons and in the audit log. */
export const findingText = ({ code, text }: CertificateFinding): string => `${code}: ${text}`;

/** The refusing half of a judgement; undefined when nothing was found. */
export function refusalFor(
  findings: readonly CertificateFinding[],
): { readonly ok: false; readonly refusal: CertificateRefusal } | undefined {
  const [first, ...more] = findings.slice(0, limits.reasonsMax);
  if (first === undefined) return undefined;
  return {
    ok: false,
    refusal: {
      code: 'CERTIFICATE_REFUSED',
      reasons: [findingText(first), ...more.map(findingText)],
      findings: [first, ...more],
    },
  };
}

/**
 * What TLS found, behind what the judgement of the SVID found: TLS stops at the first thing and calls it by a coarser
 * name, so it comes first only where the judgement found nothing.
 */
export function withTlsFinding(
  findings: readonly CertificateFinding[],
  tls: CertificateFinding | undefined,
): readonly CertificateFinding[] {
  if (tls === undefined) return findings;
  // “Invalid purpose” is OpenSSL’s word for every usage, “unspecified” Node’s for what it has no word for.
  const vague = tls.code === 'PATH_REFUSED' || tls.code === 'WRONG_EKU';
  const said = findings.some(({ code }) => code === tls.code);
  return vague && !said && findings.length > 0 ? findings : [...findings, tls];
}

/** OpenSSL’s names as Node gives them. */
const tlsCodes: Readonly<Record<string, CertificateReason>> = {
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'NO_CERTIFICATE',
  UNABLE_TO_GET_ISSUER_CERT: 'OTHER_CA',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'OTHER_CA',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'OTHER_CA',
  SELF_SIGNED_CERT_IN_CHAIN: 'OTHER_CA',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'SELF_SIGNED',
  UNABLE_TO_DECRYPT_CERT_SIGNATURE: 'BAD_SIGNATURE',
  CERT_SIGNATURE_FAILURE: 'BAD_SIGNATURE',
  CERT_NOT_YET_VALID: 'NOT_YET_VALID',
  CERT_HAS_EXPIRED: 'EXPIRED',
  CERT_CHAIN_TOO_LONG: 'PATH_TOO_LONG',
  PATH_LENGTH_EXCEEDED: 'PATH_TOO_LONG',
  INVALID_CA: 'ISSUER_NOT_CA',
  INVALID_PURPOSE: 'WRONG_EKU',
  CERT_REVOKED: 'REVOKED',
  UNABLE_TO_GET_CRL: 'CRL_MISSING',
  CRL_HAS_EXPIRED: 'CRL_EXPIRED',
  CRL_NOT_YET_VALID: 'CRL_NOT_YET_VALID',
  CRL_SIGNATURE_FAILURE: 'CRL_BAD_SIGNATURE',
  UNABLE_TO_DECRYPT_CRL_SIGNATURE: 'CRL_BAD_SIGNATURE',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'NO_ALPN',
};

/** OpenSSL’s own words, for what Node calls UNSPECIFIED. */
const tlsWords: readonly (readonly [RegExp, CertificateReason])[] = [
  [/subtree violation|name constraint/i, 'NAME_CONSTRAINT'],
  [/md too weak|signature algorithm/i, 'WEAK_SIGNATURE'],
  [/key too (weak|small)/i, 'WEAK_KEY'],
  [/unhandled critical/i, 'UNKNOWN_CRITICAL'],
  [/invalid CA|certificate signing/i, 'ISSUER_NOT_CA'],
  [/path length/i, 'PATH_TOO_LONG'],
  [/different CRL scope|unable to get certificate CRL/i, 'CRL_MISSING'],
];

/** A certificate failure of TLS in our codes; undefined when it was no certificate that TLS stopped at. */
export function tlsFinding(code: string, words = '', what = 'the connection'): CertificateFinding | undefined {
  const known = Object.hasOwn(tlsCodes, code) ? tlsCodes[code] : undefined;
  const told = known ?? tlsWords.find(([pattern]) => pattern.test(words))?.[1];
  // Node adds advice for browsers of the web behind a semicolon.
  const said = words.split(';', 1)[0];
  const text = `TLS refused ${what}: ${code}${said ? ` (${said})` : ''}.`;
  if (told !== undefined) return { code: told, text };
  return code === 'UNSPECIFIED' ? { code: 'PATH_REFUSED', text } : undefined;
}

/** What TLS says of its own protocol, in OpenSSL’s names: another version, no TLS at all, bytes out of order, an end. */
const protocolFaults =
  /HTTP_REQUEST|PROXY_REQUEST|WRONG_VERSION|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|PROTOCOL_VERSION|NO_SHARED_CIPHER|NO_SUITABLE|UNEXPECTED_|BAD_(RECORD|PACKET|HELLO|LENGTH|EXTENSION)|RECORD_LAYER|PACKET_LENGTH|LENGTH_(MISMATCH|TOO)|DECODE|DECRYPT|CLOSED_BEFORE_HANDSHAKE|ECONNRESET|EPIPE/;

/** Whether TLS stopped at its own protocol, so that it came to no certificate. What is not known to be that is not. */
export const isProtocolFault = (code: string, words = ''): boolean =>
  protocolFaults.test(`${code} ${words.toUpperCase().replaceAll(' ', '_')}`);
