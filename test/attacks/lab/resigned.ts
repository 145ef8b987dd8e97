import { type KeyObject, sign, X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import { type Asn1, binaryString, bytesOfBinary, derOf, parseDer } from '../../../src/crypto/der.ts';

const { Class, Type } = forge.asn1;
const sequence = (parts: Asn1[]): Asn1 => forge.asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, parts);

/** The certificate with ECDSA and SHA-1 in the place of SHA-256 (RFC 3279 §2.2.3), signed anew by its CA. */
export function signedWithSha1(pem: string, caKey: KeyObject): string {
  const tree = parseDer(binaryString(new X509Certificate(pem).raw));
  const [tbs] = tree.value as Asn1[];
  const oid = forge.asn1.oidToDer('1.2.840.10045.4.1').getBytes();
  const algorithm = () => sequence([forge.asn1.create(Class.UNIVERSAL, Type.OID, false, oid)]);
  const parts = [...(tbs!.value as Asn1[])];
  parts[2] = algorithm();
  const signed = sequence(parts);
  const signature = sign('sha1', bytesOfBinary(derOf(signed)), { key: caKey, dsaEncoding: 'der' });
  const bits = forge.asn1.create(Class.UNIVERSAL, Type.BITSTRING, false, `\0${binaryString(signature)}`);
  return new X509Certificate(bytesOfBinary(derOf(sequence([signed, algorithm(), bits])))).toString();
}

/** The certificate with another bit in its signature. */
export function tampered(pem: string): string {
  const der = Buffer.from(new X509Certificate(pem).raw);
  der[der.length - 1]! ^= 1;
  return new X509Certificate(der).toString();
}
