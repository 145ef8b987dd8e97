import { type CertificateRefusal, refusalFor, tlsFinding, withTlsFinding } from '../../crypto/certificate-reason.ts';
import { type NodeSvid, verifyNodeSvid } from '../../crypto/svid.ts';
import { type Refusal, type Result, refuse } from '../../errors.ts';
import type { NodeId } from '../../names.ts';
import type { LinksOptions } from './links-options.ts';

/** The one judgement of a peer’s certificate, whichever side dialled. CERTIFICATE_REFUSED. */
export function judgePeer(
  { clock, trustDomain, identity }: Pick<LinksOptions, 'clock' | 'trustDomain' | 'identity'>,
  certificate: Uint8Array,
  nodeId: NodeId | undefined,
): Result<NodeSvid, CertificateRefusal> {
  const expect = { caPem: identity().caPem, trustDomain, now: clock.now() };
  return verifyNodeSvid(certificate, nodeId === undefined ? expect : { ...expect, nodeId });
}

/** Why TLS refused a peer, by its own reason and by our judgement of what it showed. */
export function refusalOfTls(reason: string, judged: Result<NodeSvid, CertificateRefusal> | undefined): Refusal {
  const found = judged && !judged.ok ? judged.refusal.findings : [];
  const refused = refusalFor(withTlsFinding(found, tlsFinding(reason)));
  return (refused ?? refuse('CERTIFICATE_REFUSED', `TLS refused the connection: ${reason}.`)).refusal;
}
