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
 * not signed, or is of another document of the same generation, does not count. Its last word says what it shows. It is over
 * only when all is that is known of it: an old certificate, whose key may be anybody’s by now, takes nothing from a newer one.
 */
export function rotationMember(
  nodeId: NodeId,
  lines: readonly string[],
  certificates: readonly Uint8Array[],
  judge: MemberJudgement,
): RotationMember {
  const { clusterId, trustDomain, now, bundle, generation, hash } = judge;
  const { caPem } = bundle;
  const words = lines
    .flatMap((line) => {
      const word = verifyAcknowledgement(line, { clusterId, trustDomain, caPem, now });
      return word.ok && word.value.said.nodeId === nodeId ? [word.value] : [];
    })
    .sort((a, b) => a.said.generation - b.said.generation || a.said.at - b.said.at);
  const shown = certificates.flatMap((certificate) => {
    // For what it was when it ended, if that is over: a certificate that nobody can show any more says until when.
    const at = Math.min(now, endOf(certificate) ?? now);
    const svid = verifyNodeSvid(certificate, { caPem, trustDomain, nodeId, now: at });
    return svid.ok ? [svid.value] : [];
  });
  const acknowledged = words
    .map(({ said }) => said)
    .filter((said) => said.generation < generation || (said.generation === generation && said.hash === textOf(hash)))
    .reduce((most, said) => Math.max(most, said.generation), 0);
  const all = [...words.map(({ svid }) => svid), ...shown];
  const last = words.at(-1)?.svid ?? shown.toSorted((a, b) => a.notAfter - b.notAfter).at(-1);
  return {
    ...{ nodeId, acknowledged },
    root: last && rootOf(last, bundle),
    endsAt: all.length === 0 ? undefined : Math.max(...all.map(({ notAfter }) => notAfter)),
  };
}

const textOf = (hash: Uint8Array): string => Buffer.from(hash).toString('base64');

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
