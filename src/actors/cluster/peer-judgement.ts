import { type NodeSvid, verifyNodeSvid } from '../../crypto/svid.ts';
import type { Refusal, Result } from '../../errors.ts';
import type { NodeId } from '../../names.ts';
import type { LinksOptions } from './links-options.ts';

/**
 * Whether a peer may have a link, by its certificate (DER): it is of this cluster’s CA, of the node that was expected if
 * one was, and not revoked. CERTIFICATE_REFUSED, REVOKED.
 */
export function judgePeer(
  certificate: Uint8Array,
  { clock, identity, trustDomain, revoked }: LinksOptions,
  expected: NodeId | undefined,
): Result<NodeSvid> {
  const svid = verifyNodeSvid(certificate, {
    caPem: identity().caPem,
    trustDomain,
    now: clock.now(),
    ...(expected === undefined ? {} : { nodeId: expected }),
  });
  const refusal = svid.ok ? revoked?.(svid.value) : undefined;
  return refusal ? { ok: false, refusal } : svid;
}

/** Why this node itself may have none: it is revoked. */
export const ownRefusal = ({ revoked, ownSvid }: LinksOptions): Refusal | undefined =>
  revoked && ownSvid && revoked(ownSvid());
