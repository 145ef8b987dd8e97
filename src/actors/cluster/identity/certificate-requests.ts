import { ok, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import type { Purpose } from '../../../protocols/issuance/grant.ts';
import {
  type CertificateAnswer,
  type CertificateFrame,
  decodeCertificateAnswer,
  encodeCertificateRequest,
} from '../../../protocols/link/certificate-frame.ts';
import type { Clock } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import { certificatePem } from './pem.ts';

export interface CertificateRequestsOptions {
  readonly clock: Clock;
  readonly send: (peer: NodeId, frame: CertificateFrame, purpose: Purpose) => Result<void>;
}

interface Waiting {
  readonly peer: NodeId;
  readonly settle: (answer: Result<string>) => void;
}

/** Asks CA nodes for certificates, over links. Nobody waits longer than `limits.issuanceAnswerMsMax`. */
export class CertificateRequests {
  readonly #options: CertificateRequestsOptions;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor(options: CertificateRequestsOptions) {
    this.#options = options;
  }

  /**
   * Resolves with the chain, PEM: not judged yet, and as the CA node says, which may be in the wrong hands. UNREACHABLE,
   * TIMED_OUT, or what the CA node refuses with.
   */
  ask(peer: NodeId, request: Uint8Array, purpose: Purpose = 'node'): Promise<Result<string>> {
    const { clock, send } = this.#options;
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      const settle = (answer: Result<string>): void => {
        clock.clearTimeout(timer);
        this.#waiting.delete(id);
        resolve(answer);
      };
      const late = () => settle(refuse('TIMED_OUT', `${peer} did not answer the request for a certificate.`));
      const timer = clock.setTimeout(late, limits.issuanceAnswerMsMax);
      this.#waiting.set(id, { peer, settle });
      const sent = send(peer, encodeCertificateRequest(utf8, { id, request }), purpose);
      if (!sent.ok) settle(sent);
    });
  }

  /** An answer from the authenticated peer; one that nobody waits for is dropped. MALFORMED: the link is to be closed. */
  take(peer: NodeId, frame: CertificateFrame): Result<void> {
    const answer = decodeCertificateAnswer(utf8, frame);
    if (!answer.ok) return answer;
    const { unverified } = answer.value;
    const waiting = this.#waiting.get(unverified.id);
    if (waiting?.peer === peer) waiting.settle(chainOf(unverified));
    return ok(undefined);
  }

  /** The link is gone, and with it the answer. */
  lost(peer: NodeId): void {
    for (const { peer: asked, settle } of [...this.#waiting.values()])
      if (asked === peer) settle(refuse('UNREACHABLE', `The link to ${peer} ended before it answered.`));
  }
}

const chainOf = (answer: CertificateAnswer): Result<string> =>
  'chain' in answer
    ? ok(answer.chain.map((der) => certificatePem(der)).join(''))
    : { ok: false, refusal: answer.refusal };
