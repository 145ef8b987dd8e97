import forge from 'node-forge';
import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import { type Asn1, childrenOf, contentOf, DerError, derOf, oidOf, parseDer } from './der.ts';
import { isTime, nameText, signedForm, timeOf } from './signed-form.ts';

const { Type } = forge.asn1;

/** What stands in a certificate revocation list (RFC 5280 §5.1), read but not judged. */
export interface CertificateList {
  readonly issuer: string;
  /** DER of the issuer’s name, to compare with. */
  readonly issuerDer: string;
  readonly thisUpdate: number;
  readonly nextUpdate: number | undefined;
  /** Its number, decimal; undefined when it has none. */
  readonly number: string | undefined;
  /** Serial in upper-case hex, and since when, in milliseconds since 1970. */
  readonly revoked: readonly { readonly serial: string; readonly at: number }[];
}

/** Reads a revocation list from DER. MALFORMED, LIMIT_EXCEEDED. */
export function readCertificateList(der: Uint8Array): Result<CertificateList> {
  if (der.length > limits.certificateListBytesMax)
    return refuse('LIMIT_EXCEEDED', `A revocation list may have ${limits.certificateListBytesMax} bytes at most.`);
  try {
    return ok(listOf(signedForm(der, 'The revocation list').signed));
  } catch (error) {
    return refuse('MALFORMED', error instanceof DerError ? error.message : 'The revocation list is not readable DER.');
  }
}

function listOf(signed: Asn1): CertificateList {
  const parts = [...childrenOf(signed, Type.SEQUENCE, 'The signed part')];
  if (parts[0]?.type === Type.INTEGER) parts.shift();
  const [, issuer, thisUpdate, ...rest] = parts;
  if (!issuer || !thisUpdate || !isTime(thisUpdate)) throw new DerError('The revocation list is not in its form.');
  const nextUpdate = rest[0] && isTime(rest[0]) ? rest.shift() : undefined;
  const entries = rest[0]?.type === Type.SEQUENCE && rest[0].tagClass === 0 ? rest.shift() : undefined;
  return {
    issuer: nameText(issuer),
    issuerDer: derOf(issuer),
    thisUpdate: timeOf(thisUpdate),
    nextUpdate: nextUpdate && timeOf(nextUpdate),
    number: rest[0] && numberOf(rest[0]),
    revoked: entries ? childrenOf(entries, Type.SEQUENCE, 'The entries').map(entryOf) : [],
  };
}

function entryOf(entry: Asn1): { readonly serial: string; readonly at: number } {
  const [serial, at] = childrenOf(entry, Type.SEQUENCE, 'An entry');
  if (!at || !isTime(at)) throw new DerError('An entry is not in its form.');
  return { serial: hexOf(contentOf(serial, Type.INTEGER, 'A serial')), at: timeOf(at) };
}

/** As node:crypto writes serials: without the zero byte that keeps a number positive. */
const hexOf = (binary: string): string =>
  Buffer.from(binary, 'latin1')
    .toString('hex')
    .toUpperCase()
    .replace(/^00(?=..)/, '');

function numberOf(tagged: Asn1): string | undefined {
  const [list] = childrenOf(tagged, 0, 'The extensions', 0x80);
  for (const extension of childrenOf(list, Type.SEQUENCE, 'The extensions')) {
    const parts = childrenOf(extension, Type.SEQUENCE, 'An extension');
    if (oidOf(parts[0], 'An extension’s OID') !== '2.5.29.20') continue;
    const value = parseDer(contentOf(parts.at(-1), Type.OCTETSTRING, 'The list’s number'));
    return BigInt(`0x${hexOf(contentOf(value, Type.INTEGER, 'The list’s number'))}`).toString();
  }
  return undefined;
}
