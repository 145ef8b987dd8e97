import { X509Certificate } from 'node:crypto';
import { splitChain } from '../../../crypto/certificate-chain.ts';
import type { RootBundle } from '../../../crypto/root-bundle.ts';
import { type NodeSvid, verifyNodeSvid } from '../../../crypto/svid.ts';
import type { NodeId, TrustDomain } from '../../../names.ts';
import type { RotationMember } from '../../../protocols/notice/root-rotation.ts';
import { verifyAcknowledgement } from './root-acknowledgement.ts';

/** By what a member’s words and certificates are judged. */
export interface MemberJudgement {
  readonly clusterId: string;
  readonly trustDomain: TrustDomain;
  /** The bundle in force, or the roots that are believed before there is one. */
  readonly bundle: Pick<RootBundle, 'roots' | 'caPem'>;
  readonly generation: number;
  /** SHA-256 of the bundle as it was signed. */
  readonly hash: Uint8Array;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * What is known of a member for a rotation, from lines and certificates (DER) that anybody may have handed on: what it has
 * not signed, or is of another document of the same generation, does not count. Of its certificates the one that lives
 * longest counts, so that an old one, whose key may be anybody’s by now, takes nothing from a newer one.
 */
export function rotationMember(
  nodeId: NodeId,
  lines: readonly string[],
  certificates: readonly Uint8Array[],
  judge: MemberJudgement,
): RotationMember {
  const { clusterId, trustDomain, now, bundle, generation, hash } = judge;
  const { caPem } = bundle;
  let acknowledged = 0;
  let newest: NodeSvid | undefined;
  const consider = (svid: NodeSvid): void => {
    if (!newest || svid.notAfter > newest.notAfter) newest = svid;
  };
  for (const line of lines) {
    const word = verifyAcknowledgement(line, { clusterId, trustDomain, caPem, now });
    if (!word.ok || word.value.said.nodeId !== nodeId) continue;
    const { said, svid } = word.value;
    const isThis = said.generation !== generation || said.hash === Buffer.from(hash).toString('base64');
    if (isThis && said.generation <= generation) acknowledged = Math.max(acknowledged, said.generation);
    consider(svid);
  }
  for (const certificate of certificates) {
    const endsAt = endOf(certificate);
    // For what it was when it ended, if that is over: a certificate that nobody can show any more says until when.
    const svid = verifyNodeSvid(certificate, { caPem, trustDomain, nodeId, now: Math.min(now, endsAt ?? now) });
    if (svid.ok) consider(svid.value);
  }
  return { nodeId, acknowledged, root: newest && rootOf(newest, bundle), endsAt: newest?.notAfter };
}

function rootOf({ issuerSerials }: NodeSvid, { roots }: Pick<RootBundle, 'roots'>): string | undefined {
  const serial = issuerSerials.at(-1);
  return roots.find((root) => root.serial === serial)?.text;
}

function endOf(certificate: Uint8Array): number | undefined {
  const parts = splitChain(certificate);
  try {
    return parts.ok ? new X509Certificate(parts.value[0]!).validToDate.getTime() : undefined;
  } catch {
    return undefined;
  }
}
