import { createPrivateKey, sign, X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import type { IssuedCertificate } from '../../src/crypto/certificate.ts';
import { readCertificateFields } from '../../src/crypto/certificate-fields.ts';
import { type Asn1, binaryString, bytesOfBinary, derOf } from '../../src/crypto/der.ts';
import { algorithmIdentifier } from '../../src/crypto/issuance.ts';
import { unwrap } from '../../src/errors.ts';

const { Class, Type } = forge.asn1;
const make = (type: number, constructed: boolean, value: string | Asn1[]): Asn1 =>
  forge.asn1.create(Class.UNIVERSAL, type, constructed, value);
const time = (ms: number): Asn1 => make(Type.UTCTIME, false, String(forge.asn1.dateToUtcTime(new Date(ms))));
const integer = (hex: string): Asn1 => {
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('latin1');
  return make(Type.INTEGER, false, bytes.charCodeAt(0) > 0x7f ? `\0${bytes}` : bytes);
};
const extension = (oid: string, value: Asn1): Asn1 =>
  make(Type.SEQUENCE, true, [
    make(Type.OID, false, forge.asn1.oidToDer(oid).getBytes()),
    make(Type.OCTETSTRING, false, derOf(value)),
  ]);

export interface Listed {
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** Upper-case hex. */
  readonly serials: readonly string[];
  readonly number?: number;
}

/** A revocation list (RFC 5280 §5) in DER, as a CA signs it. */
export function revocationList(ca: IssuedCertificate, list: Listed): Uint8Array {
  const fields = unwrap(readCertificateFields(new Uint8Array(new X509Certificate(ca.certPem).raw)));
  const entries = list.serials.map((serial) => make(Type.SEQUENCE, true, [integer(serial), time(list.thisUpdate)]));
  const authority = forge.asn1.create(Class.CONTEXT_SPECIFIC, 0, false, fields.subjectKeyIdentifier ?? '');
  const extensions = make(Type.SEQUENCE, true, [
    extension('2.5.29.35', make(Type.SEQUENCE, true, [authority])),
    extension('2.5.29.20', integer((list.number ?? 1).toString(16))),
  ]);
  const tbs = make(Type.SEQUENCE, true, [
    integer('01'),
    algorithmIdentifier(),
    fields.subject,
    time(list.thisUpdate),
    time(list.nextUpdate),
    ...(entries.length > 0 ? [make(Type.SEQUENCE, true, entries)] : []),
    forge.asn1.create(Class.CONTEXT_SPECIFIC, 0, true, [extensions]),
  ]);
  const signature = sign('sha256', bytesOfBinary(derOf(tbs)), {
    key: createPrivateKey(ca.keyPem),
    dsaEncoding: 'der',
  });
  const bits = make(Type.BITSTRING, false, `\0${binaryString(signature)}`);
  return bytesOfBinary(derOf(make(Type.SEQUENCE, true, [tbs, algorithmIdentifier(), bits])));
}

export const crlPem = (der: Uint8Array): string =>
  `-----BEGIN X509 CRL-----\n${Buffer.from(der).toString('base64')}\n-----END X509 CRL-----\n`;
