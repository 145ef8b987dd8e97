import { limits } from '../limits.ts';
import { certificateAlgorithm, issuingAlgorithm, keyFits } from './algorithms.ts';
import type { ReadCertificate } from './certificate-chain.ts';
import type { CertificateFields } from './certificate-fields.ts';
import type { CertificateFinding, CertificateReason } from './certificate-reason.ts';

export const finding = (code: CertificateReason, text: string): CertificateFinding => ({ code, text });

/** The URI names, as they stand. */
export const urisOf = ({ altNames }: CertificateFields): readonly string[] =>
  altNames.filter(({ tag }) => tag === 6).map(({ value }) => value);

/** What is wrong with how a certificate is signed and with its key. */
export function algorithmFindings(what: string, { fields, publicKey }: ReadCertificate): CertificateFinding[] {
  const findings: CertificateFinding[] = [];
  if (fields.version !== 3) findings.push(finding('MALFORMED', `The ${what} is not of X.509 version 3.`));
  const [inner, outer] = fields.signatureOids;
  const signed = certificateAlgorithm(inner);
  if (!signed || inner !== outer || fields.signatureParameters)
    findings.push(finding('WEAK_SIGNATURE', `The ${what}’s signature algorithm is not ECDSA with SHA-256.`));
  const { keyOid, curveOid } = fields;
  const wanted = signed ?? issuingAlgorithm;
  if (keyOid !== wanted.keyOid || curveOid !== wanted.curveOid || !publicKey || !keyFits(publicKey, wanted.signature))
    findings.push(finding('WEAK_KEY', `The ${what}’s key is not of the type P-256.`));
  return findings;
}

/** What is wrong with a certificate’s times, at a moment and with an allowance. */
export function timeFindings(what: string, { x509 }: ReadCertificate, at: Moment): CertificateFinding[] {
  const skewMs = at.skewMs ?? limits.clockSkewMsMax;
  const findings: CertificateFinding[] = [];
  // Written so that a time that is no number refuses: every comparison with NaN is false.
  if (!(at.now + skewMs >= x509.validFromDate.getTime()))
    findings.push(finding('NOT_YET_VALID', `The ${what} is not yet valid.`));
  if (!(at.now - skewMs <= x509.validToDate.getTime())) findings.push(finding('EXPIRED', `The ${what} has expired.`));
  return findings;
}

/** When a certificate is judged. */
export interface Moment {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** How far clocks may differ; `limits.clockSkewMsMax` when undefined. */
  readonly skewMs?: number;
}
