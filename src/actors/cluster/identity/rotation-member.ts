import { X509Certificate } from 'node:crypto';
import { splitChain } from '../../../crypto/certificate-chain.ts';
import { keyId } from '../../../crypto/keys.ts';
import type { RootBundle } from '../../../crypto/root-bundle.ts';
import { type NodeSvid, verifyNodeSvid } from '../../../crypto/svid.ts';
import { limits } from '../../../limits.ts';
import type { NodeId, TrustDomain } from '../../../names.ts';
import type { RootsAcknowledgement } from '../../../protocols/notice/acknowledgement.ts';
import type { FindRevocation } from '../../../protocols/notice/revocation.ts';
import type { RotationMember } from '../../../protocols/notice/root-rotation.ts';
import { verifyAcknowledgement } from './root-acknowledgement.ts';

/** By what a member’s words and certificates are judged. */
export interface MemberJudgement {
  readonly clusterId: string;
  readonly trustDomain: TrustDomain;
  /** The bundle in force, or the roots that are believed before there is one. */
  readonly bundle: Pick<RootBundle, 'roots' | 'caPem'>;
  readonly generation: number;
  /** SHA-256 of the bundle as it was signed; of each, when several have this generation. */
  readonly hashes: readonly Uint8Array[];
  readonly revoked: FindRevocation;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * What is known of a member for a rotation, from lines and certificates (DER) that anybody may have handed on: what it has
 * not signed, or is of another document of the same generation, does not count; nor what was signed with a key that is revoked,
 * or whose certificate has ended: it may be anybody’s by now. Its last word says what it shows. It is over only when all is
 * that is known of it.
 */
export function rotationMember(
  nodeId: NodeId,
  lines: readonly string[],
  certificates: readonly Uint8Array[],
  judge: MemberJudgement,
): RotationMember {
  const { clusterId, trustDomain, now, bundle, generation, hashes, revoked } = judge;
  const { caPem } = bundle;
  const said = [...new Set(lines)]
    .flatMap((line) => {
      const word = verifyAcknowledgement(line, { clusterId, trustDomain, caPem, now });
      return word.ok && word.value.said.nodeId === nodeId ? [word.value] : [];
    })
    .sort((a, b) => a.said.generation - b.said.generation || a.said.at - b.said.at);
  const shown = distinct(certificates).flatMap((certificate) => {
    // For what it was when it ended, if that is over: a certificate that nobody can show any more says until when.
    const at = Math.min(now, endOfCertificate(certificate) ?? now);
    const svid = verifyNodeSvid(certificate, { caPem, trustDomain, nodeId, now: at });
    return svid.ok ? [svid.value] : [];
  });
  const isOut = ({ serial, issuerSerials }: NodeSvid): boolean =>
    [serial, ...issuerSerials].some((each) => revoked('serial', each) !== undefined);
  const words = said.filter(({ svid, claimKey }) => !isOut(svid) && revoked('key', keyId(claimKey)) === undefined);
  const standing = shown.filter((svid) => !isOut(svid));
  const all = [...words.map(({ svid }) => svid), ...standing];
  const isOfThis = (word: RootsAcknowledgement): boolean =>
    word.generation < generation ||
    (word.generation === generation && hashes.some((hash) => textOf(hash) === word.hash));
  const acknowledged = words
    .filter(({ svid, said: word }) => svid.notAfter + limits.clockSkewMsMax >= now && isOfThis(word))
    .reduce((most, { said: word }) => Math.max(most, word.generation), 0);
  const last = words.at(-1)?.svid ?? standing.toSorted((one, other) => one.notAfter - other.notAfter).at(-1);
  return {
    ...{ nodeId, acknowledged },
    root: last && rootOf(last, bundle),
    endsAt: all.length === 0 ? undefined : Math.max(...all.map(({ notAfter }) => notAfter)),
    ...(all.length === 0 && said.length + shown.length > 0 ? { revoked: true } : {}),
  };
}

/** Many nodes tell of the same ones. */
const distinct = (all: readonly Uint8Array[]): readonly Uint8Array[] => [
  ...new Map(all.map((bytes) => [Buffer.from(bytes).toString('latin1'), bytes])).values(),
];

const textOf = (hash: Uint8Array): string => Buffer.from(hash).toString('base64');

function rootOf({ issuerSerials }: NodeSvid, { roots }: Pick<RootBundle, 'roots'>): string | undefined {
  const serial = issuerSerials.at(-1);
  return roots.find((root) => root.serial === serial)?.text;
}

/** When a certificate ends (DER, with its intermediates), milliseconds since 1970; undefined for what is none. */
export function endOfCertificate(certificate: Uint8Array): number | undefined {
  const parts = splitChain(certificate);
  try {
    return parts.ok ? new X509Certificate(parts.value[0]!).validToDate.getTime() : undefined;
  } catch {
    return undefined;
  }
}
