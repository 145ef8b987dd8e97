import { ok, type Refusal, type Result, refuse } from '../../../errors.ts';
import type { NodeId } from '../../../names.ts';
import type { RevocableCertificate } from '../notices/revocations.ts';
import type { HeldCertificate } from './issued-certificates.ts';

/** What a CA node knows of a node id. */
export interface NodeHolding {
  /** A link of it is up, or gossip holds it for alive under a certificate that is not revoked. */
  readonly up: boolean;
  /** Every certificate of it that is known here and has not ended, revoked or not. */
  readonly certificates: readonly HeldCertificate[];
}

export interface VacancyQuestion {
  readonly nodeId: NodeId;
  /** Whether the newcomer may take the place of one that is known, whose certificates are revoked. */
  readonly replace: boolean;
  /** Of the newcomer’s key, as `NodeSvid.keyId`: what was issued to it already is its own. */
  readonly keyId?: string;
  readonly revoked: (certificate: RevocableCertificate) => Refusal | undefined;
}

const namedMax = 8;

/**
 * Whether somebody new may have a node id. Two holders of one identity could not be told apart, so: an id of which nothing
 * is known, or, for whom an operator said so, one whose certificates an authority has revoked. ALREADY_EXISTS, REVOKED.
 */
export function vacancy({ up, certificates }: NodeHolding, question: VacancyQuestion): Result<void> {
  const { nodeId, replace, keyId, revoked } = question;
  const ofNode = revoked({ nodeId, serial: '' });
  if (ofNode) return { ok: false, refusal: ofNode };
  const others = certificates.filter((held) => held.keyId !== keyId);
  if (!replace) {
    if (up) return refuse('ALREADY_EXISTS', `${nodeId} is a member that is up. ${howToReplace}`);
    if (others.length === 0) return ok(undefined);
    return refuse(
      'ALREADY_EXISTS',
      `${nodeId} has a certificate that has not ended: ${named(others)}. ${howToReplace}`,
    );
  }
  const standing = others.filter((held) => !revoked({ nodeId, ...held }));
  if (standing.length > 0)
    return refuse(
      'ALREADY_EXISTS',
      `${nodeId} has certificates that are not revoked: ${named(standing)}.`,
      `Where an authority’s key is, revoke them: caxton security revoke --certificates ${nodeId} --reason superseded --authority-key FILE. Then try again.`,
    );
  if (up)
    return refuse('ALREADY_EXISTS', `${nodeId} is up still: its certificate must be revoked, or the node stopped.`);
  return ok(undefined);
}

const howToReplace = 'To take its place, have a token made with --replace.';

const named = (certificates: readonly HeldCertificate[]): string =>
  `${certificates
    .slice(0, namedMax)
    .map(({ serial }) => serial)
    .join(', ')}${certificates.length > namedMax ? ` and ${certificates.length - namedMax} more` : ''}`;
