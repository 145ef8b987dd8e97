import { type CertificateRefusal, refusalFor, tlsFinding, withTlsFinding } from '../../../crypto/certificate-reason.ts';
import { type NodeSvid, verifyNodeSvid } from '../../../crypto/svid.ts';
import { type Refusal, type Result, refuse } from '../../../errors.ts';
import type { NodeId } from '../../../names.ts';
import type { LinksOptions } from './links-options.ts';

/** By what a peer is judged. */
export interface JudgementOptions extends Pick<LinksOptions, 'clock' | 'trustDomain' | 'revoked'> {
  readonly identity: () => { readonly caPem: string };
}

type Judged = Result<NodeSvid, Refusal | CertificateRefusal>;

/**
 * The one judgement of a peer’s certificate, whichever side dialled: CERTIFICATE_REFUSED, or REVOKED when its node,
 * this very certificate or a CA above it is revoked.
 */
export function judgePeer(
  { clock, trustDomain, identity, revoked }: JudgementOptions,
  certificate: Uint8Array,
  nodeId: NodeId | undefined,
): Judged {
  const svid = verifyNodeSvid(certificate, {
    caPem: identity().caPem,
    trustDomain,
    now: clock.now(),
    ...(nodeId === undefined ? {} : { nodeId }),
  });
  const refusal = svid.ok ? revoked?.(svid.value) : undefined;
  return refusal ? { ok: false, refusal } : svid;
}

/** Why this node itself may have none: it is revoked. */
export const ownRefusal = ({ revoked, ownSvid }: LinksOptions): Refusal | undefined =>
  revoked && ownSvid && revoked(ownSvid());

/** Why TLS refused a peer, by its own reason and by our judgement of what it showed. */
export function refusalOfTls(reason: string, judged: Judged | undefined): Refusal {
  const found = judged && !judged.ok && 'findings' in judged.refusal ? judged.refusal.findings : [];
  const refused = refusalFor(withTlsFinding(found, tlsFinding(reason)));
  return (refused ?? refuse('CERTIFICATE_REFUSED', `TLS refused the connection: ${reason}.`)).refusal;
}
