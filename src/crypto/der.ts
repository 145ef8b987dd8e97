import forge from 'node-forge';

/**
 * A node of a parsed ASN.1 tree, as forge has it. Byte strings inside are “binary strings”: one character a byte. Written
 * down here, so that whoever installs the package needs no types of forge.
 */
export interface Asn1 {
  readonly tagClass: number;
  readonly type: number;
  readonly constructed: boolean;
  readonly composed: boolean;
  readonly value: string | Asn1[];
}

interface DerOptions {
  readonly strict: boolean;
  readonly parseAllBytes: boolean;
  readonly decodeBitStrings: boolean;
}
// The published types know only the second parameter’s old, boolean form.
const fromDer = forge.asn1.fromDer as unknown as (bytes: string, options: DerOptions) => Asn1;

/** Bytes as forge’s binary string. */
export const binaryString = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');

/** The bytes of forge’s binary string. */
export const bytesOfBinary = (binary: string): Uint8Array => new Uint8Array(Buffer.from(binary, 'latin1'));

/** What a reader of DER throws; `readCertificateFields` turns it into a refusal. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

/**
 * Parses DER (X.690 §10) given as a binary string. Two readers that understand the same bytes differently are how
 * certificates are forged, so only what this reader writes back to the very same bytes is accepted: no indefinite or
 * padded lengths, nothing after the end. Throws for anything else.
 */
export function parseDer(binary: string): Asn1 {
  const parsed = fromDer(binary, { strict: true, parseAllBytes: true, decodeBitStrings: false });
  if (derOf(parsed) !== binary) throw new DerError('The bytes are not canonical DER.');
  return parsed;
}

/** DER of a tree, as a binary string. */
export const derOf = (tree: Asn1): string => forge.asn1.toDer(tree as forge.asn1.Asn1).getBytes();

/** The children of a constructed node; throws when it is another type or a primitive. */
export function childrenOf(tree: Asn1 | undefined, type: number, what: string, tagClass = 0): readonly Asn1[] {
  if (!tree?.constructed || tree.type !== type || tree.tagClass !== tagClass || typeof tree.value === 'string')
    throw new DerError(`${what} is not in its form.`);
  return tree.value;
}

/** The content of a primitive node, as a binary string; throws when it is another type or constructed. */
export function contentOf(tree: Asn1 | undefined, type: number, what: string): string {
  if (!tree || tree.constructed || tree.type !== type || tree.tagClass !== 0 || typeof tree.value !== 'string')
    throw new DerError(`${what} is not in its form.`);
  return tree.value;
}

/** An object identifier’s dotted text. */
export const oidOf = (tree: Asn1 | undefined, what: string): string =>
  forge.asn1.derToOid(contentOf(tree, forge.asn1.Type.OID, what));
