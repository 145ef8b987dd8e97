import {
  type CertificateRefusal,
  isProtocolFault,
  refusalFor,
  tlsFinding,
  withTlsFinding,
} from '../../../crypto/certificate-reason.ts';
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
 * The one judgement of a peer’s certificate, whichever side dialled: CERTIFICATE_REFUSED, REVOKED when its node,
 * this very certificate or a CA above it is revoked, or SUSPENDED.
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

/**
 * Why this node itself may have none: it is revoked. One that is suspended goes on knocking, and lets others in: how else
 * would it hear that it is so no more? It is for them to refuse it.
 */
export function ownRefusal({ revoked, ownSvid }: LinksOptions): Refusal | undefined {
  const refusal = revoked && ownSvid && revoked(ownSvid());
  return refusal?.code === 'SUSPENDED' ? undefined : refusal;
}

/**
 * Why a peer did not come through TLS: by our judgement of what it showed and by TLS’s own reason, CERTIFICATE_REFUSED. Whoever
 * never came to a certificate broke the protocol (PROTOCOL_VIOLATION), took too long (TIMED_OUT) or was one too many.
 */
export function refusalOfTls(reason: string, judged: Judged | undefined): Refusal {
  const found = judged && !judged.ok && 'findings' in judged.refusal ? judged.refusal.findings : [];
  const refused = refusalFor(withTlsFinding(found, tlsFinding(reason)));
  return (refused ?? refuse(codeOf(reason), `TLS refused the connection: ${reason}.`)).refusal;
}

function codeOf(reason: string): Refusal['code'] {
  if (reason === 'HANDSHAKE_TIMEOUT') return 'TIMED_OUT';
  if (reason === 'TOO_MANY_HANDSHAKES') return 'LIMIT_EXCEEDED';
  return isProtocolFault(reason) ? 'PROTOCOL_VIOLATION' : 'CERTIFICATE_REFUSED';
}

/** How a peer is told of a refusal of its certificate. */
export function closeReasonOf({ code }: Refusal): 'revoked' | 'suspended' | 'certificateRefused' {
  if (code === 'REVOKED') return 'revoked';
  return code === 'SUSPENDED' ? 'suspended' : 'certificateRefused';
}
