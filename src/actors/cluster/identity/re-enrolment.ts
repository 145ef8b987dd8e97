import { certificateKeyId } from '../../../crypto/certificate-chain.ts';
import { verifyReEnrolment } from '../../../crypto/re-enrolment.ts';
import { readSigningRequest, verifySigningRequest } from '../../../crypto/signing-request.ts';
import type { NodeSvid } from '../../../crypto/svid.ts';
import { ok, type Refusal, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { NodeId, TrustDomain } from '../../../names.ts';
import { isLater } from '../../../protocols/issuance/renewal-time.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { RevocableCertificate } from '../notices/revocations.ts';
import type { CertificateIssuer } from './certificate-issuer.ts';
import type { Applicant, RecordEnrolment } from './enrolment.ts';
import { type HeldCertificate, judgedAtItsEnd } from './issued-certificates.ts';

export interface ReEnrolmentRequest {
  /** The certificate that has ended, with those between it and the root, PEM. */
  readonly certificate: string;
  /** PKCS #10 for a new key, DER. */
  readonly request: Uint8Array;
  /** That the certificate’s key stands behind the request. */
  readonly proof: Uint8Array;
}

export interface ReEnrolmentOptions {
  readonly clock: Clock;
  readonly trustDomain: TrustDomain;
  readonly clusterId: string;
  readonly caPem: () => string;
  readonly issuer: CertificateIssuer;
  /** How long after its end a certificate is good for this; undefined: never. */
  readonly windowMs: number | undefined;
  /** All of a node that is known here, those that ended within the window too. */
  readonly known: (nodeId: NodeId) => Promise<readonly HeldCertificate[]>;
  readonly isUp: (nodeId: NodeId) => boolean;
  readonly revoked: (certificate: RevocableCertificate) => Refusal | undefined;
  readonly attempt: (sourceIp: string) => Result<void>;
  readonly inTurn: <T>(act: () => Promise<T>) => Promise<T>;
  readonly record: RecordEnrolment;
}

/** One text for all who do not show that they hold a key of a certificate of this cluster. */
const notProven = 'The certificate is not one of this cluster, or its key does not stand behind the request.';
const newToken = 'Have a join token made for it (caxton security join-token), or issue a certificate by hand.';

/**
 * Lets a node back in whose certificate has ended, so that it cannot renew over a link any more: with its last key, for a
 * time, and only while nobody has a newer certificate of its name.
 */
export class ReEnrolment {
  readonly #options: ReEnrolmentOptions;

  constructor(options: ReEnrolmentOptions) {
    this.#options = options;
  }

  /**
   * A certificate for a new key. The same request again gives the same answer. UNAUTHENTICATED with one text for all
   * without the key; for who has it: CERTIFICATE_REFUSED (not ended, or too long ago), REVOKED, ALREADY_EXISTS (the name
   * has a newer certificate, or is up); RATE_LIMIT_EXCEEDED.
   */
  async renew(enrolment: ReEnrolmentRequest, applicant: Applicant): Promise<Result<string>> {
    const allowed = this.#options.attempt(applicant.sourceIp);
    if (!allowed.ok) return allowed;
    const holder = this.#holder(enrolment);
    const renewed = holder.ok
      ? await this.#options.inTurn(() => this.#renew(enrolment, holder.value, applicant))
      : holder;
    if (renewed.ok) return renewed;
    const { code, reasons } = renewed.refusal;
    const metadata = holder.ok ? { node: holder.value.nodeId, serial: holder.value.serial } : {};
    const told = await this.#options.record('refused', applicant, reasons.join(' '), metadata);
    if (!told.ok) return told;
    return code === 'UNAUTHENTICATED' ? refuse('UNAUTHENTICATED', notProven) : renewed;
  }

  /** Who asks: nothing is told to somebody who only has the certificate, which every peer has seen. */
  #holder({ certificate, request, proof }: ReEnrolmentRequest): Result<NodeSvid> {
    const { trustDomain, caPem, clusterId } = this.#options;
    const judged = judgedAtItsEnd(certificate, { caPem: caPem(), trustDomain });
    if (!judged.ok) return refuse('UNAUTHENTICATED', ...judged.refusal.reasons);
    const { publicKey, fingerprint } = judged.value;
    return verifyReEnrolment(publicKey, { clusterId, fingerprint, request }, proof)
      ? judged
      : refuse('UNAUTHENTICATED', 'The key of the certificate did not sign the request to enrol again.');
  }

  async #renew({ request }: ReEnrolmentRequest, holder: NodeSvid, applicant: Applicant): Promise<Result<string>> {
    const { clock, issuer, known, isUp, revoked, record } = this.#options;
    const { nodeId, serial } = holder;
    const late = this.#late(holder);
    if (late) return late;
    const revocation = revoked(holder);
    if (revocation) return { ok: false, refusal: revocation };
    const keyId = keyIdOf(request);
    if (!keyId.ok) return keyId;
    const certificates = await known(nodeId);
    const mine = certificates.find((held) => held.keyId === keyId.value && held.notAfter > clock.now());
    // Not what its own key was certified with besides, by an answer that got lost.
    const newer = certificates.find((held) => held !== mine && held.keyId !== holder.keyId && isLater(held, holder));
    if (newer)
      return refuse(
        'ALREADY_EXISTS',
        `${nodeId} has a newer certificate, ${newer.serial}, than ${serial}: only the last one lets it enrol again.`,
        newToken,
      );
    if (!mine && isUp(nodeId)) return refuse('ALREADY_EXISTS', `${nodeId} is a member that is up.`);
    const issued = await issuer.renew(request, holder, applicant.sourceIp);
    if (!issued.ok) return issued;
    const { serial: next, chainPem } = issued.value;
    const reason = `${nodeId} was enrolled again with the key of its last certificate, which had ended.`;
    const recorded = await record('again', applicant, reason, { node: nodeId, serial: next, replaces: serial });
    return recorded.ok ? ok(chainPem) : recorded;
  }

  #late({ nodeId, notAfter }: NodeSvid): ReturnType<typeof refuse> | undefined {
    const { clock, windowMs } = this.#options;
    const sinceMs = clock.now() - notAfter;
    if (sinceMs < -limits.clockSkewMsMax)
      return refuse(
        'CERTIFICATE_REFUSED',
        `The certificate of ${nodeId} has not ended: it is renewed over a link.`,
        'Compare the clocks of both machines.',
      );
    if (windowMs === undefined)
      return refuse('NOT_SUPPORTED', 'Nobody enrols again here (node.ca.reenrolment_window is off).', newToken);
    if (sinceMs <= windowMs) return undefined;
    const until = new Date(notAfter + windowMs).toISOString();
    return refuse(
      'CERTIFICATE_REFUSED',
      `The certificate of ${nodeId} ended too long ago: it was good for this until ${until} (node.ca.reenrolment_window).`,
      newToken,
    );
  }
}

function keyIdOf(request: Uint8Array): Result<string> {
  const read = readSigningRequest(request);
  if (!read.ok) return read;
  const asked = verifySigningRequest(read.value);
  return asked.ok ? ok(certificateKeyId(asked.value.publicKey)) : asked;
}
