import { sign } from 'node:crypto';
import forge from 'node-forge';
import { nodeExtensions } from '../../src/crypto/certificate.ts';
import { type Asn1, binaryString, bytesOfBinary, derOf, parseDer } from '../../src/crypto/der.ts';
import { algorithmIdentifier, type ExtensionPlan } from '../../src/crypto/issuance.ts';
import type { KeyPair } from '../../src/crypto/port.ts';
import { crypto, domain, nodeOne } from './fixtures.ts';

const { Class, Type } = forge.asn1;
const three = new forge.jsbn.BigInteger('3');
const placeholderKey = forge.pki.setRsaPublicKey(three, three);

export interface AnyRequest {
  readonly key?: KeyPair;
  readonly subject?: readonly forge.pki.CertificateField[];
  readonly extensions?: readonly ExtensionPlan[];
  readonly attributes?: readonly object[];
  /** Changes the part to be signed. */
  readonly change?: (parts: Asn1[]) => void;
  /** Another signature than that of `key`. */
  readonly signWith?: KeyPair;
}

const utf8Type = Type.UTF8 as number as forge.asn1.Class;

export const altNames = (uri = `spiffe://${domain}/node/${nodeOne}`, dns = ['localhost'], ip = ['127.0.0.1']) =>
  nodeExtensions(uri, { dns, ip }).filter(({ name }) => name === 'subjectAltName');

/** A request with anything in it: for those that our own writer does not make. */
export function requestWith({
  key = crypto.generateKeyPair('p256'),
  subject = [{ name: 'commonName', value: nodeOne, valueTagClass: utf8Type }],
  extensions = altNames(),
  attributes = [{ name: 'extensionRequest', extensions: extensions.map((one) => ({ ...one })) }],
  change = () => {},
  signWith = key,
}: AnyRequest = {}): Uint8Array {
  const draft = forge.pki.createCertificationRequest();
  draft.publicKey = placeholderKey;
  draft.setSubject([...subject]);
  draft.setAttributes([...attributes] as never);
  const info = (
    forge.pki as unknown as { getCertificationRequestInfo: (draft: forge.pki.CertificateSigningRequest) => Asn1 }
  ).getCertificationRequestInfo(draft);
  const parts = info.value as Asn1[];
  parts[2] = parseDer(binaryString(key.publicKey.export({ type: 'spki', format: 'der' })));
  change(parts);
  const signature = sign('sha256', bytesOfBinary(derOf(info)), { key: signWith.privateKey, dsaEncoding: 'der' });
  const request = forge.asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, [
    info,
    algorithmIdentifier(),
    forge.asn1.create(Class.UNIVERSAL, Type.BITSTRING, false, `\0${binaryString(signature)}`),
  ]);
  return bytesOfBinary(derOf(request));
}
