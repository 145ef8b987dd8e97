import { CaxtonError } from '../errors.ts';

/** What TLS says of a server that is not who it should be. */
const certificateCodes: ReadonlySet<string> = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REVOKED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was cut',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  ENOTFOUND: 'its name is unknown',
  EAI_AGAIN: 'its name could not be looked up',
  ETIMEDOUT: 'it did not answer',
  EPIPE: 'the connection was cut',
};

/** A failure below HTTP as a CaxtonError: CERTIFICATE_REFUSED, CONFIG_INVALID, PROTOCOL_VIOLATION or UNREACHABLE. */
export function connectionError(error: Error, address: string): CaxtonError {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const cause = { cause: error };
  if (certificateCodes.has(code))
    return new CaxtonError(
      'CERTIFICATE_REFUSED',
      `The certificate of ${address} was refused: ${error.message}.`,
      cause,
    );
  if (code.startsWith('ERR_OSSL_PEM') || code.startsWith('ERR_OSSL_ASN1'))
    return new CaxtonError('CONFIG_INVALID', `The CA certificate cannot be read: ${error.message}.`, cause);
  if (code.startsWith('HPE_'))
    return new CaxtonError(
      'PROTOCOL_VIOLATION',
      `${address} answers with something that is not HTTP (${code}).`,
      cause,
    );
  if (code.startsWith('ERR_SSL') || code === 'EPROTO')
    return new CaxtonError('PROTOCOL_VIOLATION', `${address} does not speak HTTPS with TLS 1.3 (${code}).`, cause);
  return new CaxtonError('UNREACHABLE', `${address} cannot be reached: ${words[code] ?? error.message}.`, cause);
}
