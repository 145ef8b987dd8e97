import { certificatesFromPem } from '../../../crypto/certificate-chain.ts';
import { ok, type Refusal, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import type { Purpose } from '../../../protocols/issuance/grant.ts';
import {
  type CertificateFrame,
  decodeCertificateRequest,
  encodeCertificateAnswer,
} from '../../../protocols/link/certificate-frame.ts';
import type { Clock } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import { Patience } from '../gossip/patience.ts';
import type { LinkSession } from '../links/link-session.ts';
import type { CertificateIssuer } from './certificate-issuer.ts';

export interface CertificateServiceOptions {
  readonly clock: Clock;
  readonly issuer: CertificateIssuer;
  /** A request that was not granted, to be audited. */
  readonly refused: (link: LinkSession, refusal: Refusal) => void;
  /** A fault of this node’s own, which no peer is told. */
  readonly fault: (message: string, error: unknown) => void;
}

const rate = { count: limits.issuancesPerMinuteMax, periodMs: 60_000, burst: limits.issuancesAtOnceMax };

/** The CA node’s side of requests over links: one at a time of each peer, and so many a minute. */
export class CertificateService {
  readonly #options: CertificateServiceOptions;
  readonly #patience: Patience;
  readonly #working = new Set<NodeId>();

  constructor(options: CertificateServiceOptions) {
    this.#options = options;
    this.#patience = new Patience(options.clock, rate);
  }

  /** Answers over the link the request came by, or over none. MALFORMED, LIMIT_EXCEEDED: the link is to be closed. */
  take(link: LinkSession, frame: CertificateFrame, purpose: Purpose = 'node'): Result<void> {
    const decoded = decodeCertificateRequest(utf8, frame);
    if (!decoded.ok) return decoded;
    const { id, request } = decoded.value.unverified;
    void this.#judge(link, request, purpose).then((chain) => {
      if (!chain.ok) this.#options.refused(link, chain.refusal);
      const answer = chain.ok ? { id, chain: chain.value } : { id, refusal: chain.refusal };
      const { header, content } = encodeCertificateAnswer(utf8, answer);
      // Whoever asks without reading the answers gets none: they must not fill this node’s memory.
      if (!link.congested) link.send('certificate-answer', header, content);
    });
    return ok(undefined);
  }

  async #judge(link: LinkSession, request: Uint8Array, purpose: Purpose): Promise<Result<readonly Uint8Array[]>> {
    const { nodeId, svid, channel } = link;
    if (this.#working.has(nodeId) || !this.#patience.with(nodeId))
      return { ok: false, refusal: { ...tooMany.refusal, retryAfterMs: rate.periodMs / rate.count } };
    this.#patience.spend(nodeId);
    this.#working.add(nodeId);
    try {
      const still = this.#options.issuer.accepts(svid);
      if (!still.ok) return still;
      const issued = await this.#options.issuer.renew(request, svid, channel.remote.host, purpose);
      return issued.ok ? certificatesFromPem(issued.value.chainPem) : issued;
    } catch (error) {
      this.#options.fault(`a certificate for ${nodeId} could not be issued`, error);
      return refuse('INTERNAL', 'The CA node met a fault of its own.');
    } finally {
      this.#working.delete(nodeId);
    }
  }
}

const tooMany = refuse('RATE_LIMIT_EXCEEDED', 'This peer asks for more certificates than it may have.');
