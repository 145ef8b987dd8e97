import { createPublicKey, type KeyObject } from 'node:crypto';
import forge from 'node-forge';
import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import { type AltName, altNamesIn, extensionOids } from './certificate-fields.ts';
import { bytesOfBinary, childrenOf, contentOf, DerError, derOf, oidOf } from './der.ts';
import { isSignedWith, nameText, signedForm } from './signed-form.ts';
import { extensionRequestOid } from './signing-request.ts';

const { Type } = forge.asn1;

/** What stands in a certificate signing request (RFC 2986 §4). */
export interface CertificateRequest {
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly altNames: readonly AltName[];
  /** Whether the key of the request signed it: that its sender holds the private half. */
  readonly proved: boolean;
}

/**
 * Reads a request from DER for people to look at, whatever it asks for: one that is to be granted is read by
 * `readSigningRequest`. MALFORMED, LIMIT_EXCEEDED.
 */
export function readCertificateRequest(der: Uint8Array): Result<CertificateRequest> {
  if (der.length > limits.certificateBytesMax)
    return refuse('LIMIT_EXCEEDED', `A request may have ${limits.certificateBytesMax} bytes at most.`);
  try {
    const form = signedForm(der, 'The request');
    const [, subject, spki, attributes] = childrenOf(form.signed, Type.SEQUENCE, 'The signed part');
    if (!spki) throw new DerError('The request has no key.');
    const key = Buffer.from(bytesOfBinary(derOf(spki)));
    const publicKey = createPublicKey({ key, format: 'der', type: 'spki' });
    const altNames: AltName[] = [];
    for (const attribute of attributes ? childrenOf(attributes, 0, 'The attributes', 0x80) : []) {
      const [oid, values] = childrenOf(attribute, Type.SEQUENCE, 'An attribute');
      if (oidOf(oid, 'An attribute’s OID') !== extensionRequestOid) continue;
      const [extensions] = childrenOf(values, Type.SET, 'The requested extensions');
      for (const extension of childrenOf(extensions, Type.SEQUENCE, 'The requested extensions')) {
        const parts = childrenOf(extension, Type.SEQUENCE, 'A requested extension');
        if (oidOf(parts[0], 'An extension’s OID') === extensionOids.subjectAltName)
          altNames.push(...altNamesIn(contentOf(parts.at(-1), Type.OCTETSTRING, 'The alternative names')));
      }
    }
    return ok({ subject: nameText(subject), publicKey, altNames, proved: isSignedWith(form, publicKey) });
  } catch (error) {
    return refuse('MALFORMED', error instanceof DerError ? error.message : 'The request cannot be read.');
  }
}
