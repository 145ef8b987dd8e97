import { limits } from '../../limits.ts';
import type { NodeId } from '../../names.ts';
import { type CertificateText, issuingRoot, type RootsBody } from './roots.ts';

/**
 * Where a rotation is, as the bundle in force says. `settled`: one root. `distributing`: the next root is believed beside
 * the old one, and certificates still stand under the old one. `issuing`: certificates are issued anew, under the next root.
 */
export type RotationStage = 'settled' | 'distributing' | 'issuing';

export const rotationStage = ({ roots, issuing }: RootsBody): RotationStage =>
  roots.length === 1 ? 'settled' : issuing === 0 ? 'distributing' : 'issuing';

/** What is known of a member, by its own signed word. */
export interface RotationMember {
  readonly nodeId: NodeId;
  /** The generation of the bundle that it has acknowledged last; 0 for none. */
  readonly acknowledged: number;
  /** The root under which the certificate stands that it showed last; undefined when none is known. */
  readonly root: CertificateText | undefined;
  /** When that certificate ends, milliseconds since 1970; undefined when none is known. */
  readonly endsAt: number | undefined;
  /** It hears nothing before it is resumed, and is waited for as one that is away. */
  readonly suspended?: boolean;
  /** Every certificate of it that is known was revoked: it has to enrol again, whatever is dropped. */
  readonly revoked?: boolean;
}

/** A member for which a rotation waits, and why, for people. */
export interface Missing {
  readonly nodeId: NodeId;
  readonly reason: string;
}

/** What a rotation has come to. Members that were removed (revoked) are not among `members`. */
export interface RotationState {
  readonly bundle: RootsBody;
  readonly generation: number;
  readonly members: readonly RotationMember[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Whom the next step would leave behind. */
export function missingMembers({ bundle, generation, members, now }: RotationState): readonly Missing[] {
  const stage = rotationStage(bundle);
  if (stage === 'settled') return [];
  return members.flatMap(({ nodeId, acknowledged, root, endsAt, suspended, revoked }) => {
    if (revoked) return [];
    const missing = (reason: string): Missing[] => [
      { nodeId, reason: suspended ? `is suspended, and ${reason}` : reason },
    ];
    // Nothing that it could show counts any more, whatever is dropped: it has to enrol again all the same.
    if (endsAt !== undefined && endsAt + limits.clockSkewMsMax < now) return [];
    const until = endsAt === undefined ? '' : `; its certificate ends ${new Date(endsAt).toISOString()}`;
    if (acknowledged === 0) return missing(`has acknowledged no bundle${until}`);
    if (acknowledged < generation)
      return missing(`has acknowledged generation ${acknowledged}, and ${generation} is in force${until}`);
    if (stage === 'issuing' && root !== issuingRoot(bundle))
      return missing(`still shows a certificate under the old root${until}`);
    return [];
  });
}

/** The next root, and what makes it believed by whoever knows the old one alone. */
export interface NextRoot {
  readonly root: CertificateText;
  readonly crossSigned: readonly CertificateText[];
}

export type RotationStep =
  /** To be signed with the next generation. */
  | {
      readonly type: 'distribute' | 'issue' | 'drop';
      readonly body: RootsBody;
      readonly leftBehind: readonly Missing[];
    }
  | { readonly type: 'wait'; readonly missing: readonly Missing[] }
  | { readonly type: 'done' }
  /** The bundle is in a rotation to another root. */
  | { readonly type: 'conflict' };

/**
 * The next step of a rotation to `next`; without `next`, of one that is under way. Each depends on nothing but what was
 * signed, so whoever was interrupted goes on where it was.
 *
 * @param force goes on without those who are missing: they are in `leftBehind`.
 */
export function nextRotationStep(state: RotationState, next: NextRoot | undefined, force: boolean): RotationStep {
  const { bundle } = state;
  const stage = rotationStage(bundle);
  const newest = bundle.roots.at(-1)!;
  if (stage === 'settled') {
    if (!next || next.root === newest) return { type: 'done' };
    const roots = [...bundle.roots, next.root];
    const body = { ...bundle, roots, issuing: 0, crossSigned: next.crossSigned, lockedOut: [] };
    return { type: 'distribute', body, leftBehind: [] };
  }
  if (next && next.root !== newest) return { type: 'conflict' };
  const missing = missingMembers(state);
  if (missing.length > 0 && !force) return { type: 'wait', missing };
  if (stage === 'distributing') {
    const body = { ...bundle, issuing: bundle.roots.length - 1, lockedOut: [] };
    return { type: 'issue', body, leftBehind: missing };
  }
  const lockedOut = missing.map(({ nodeId }) => nodeId);
  const roots = [issuingRoot(bundle)];
  return { type: 'drop', body: { ...bundle, roots, issuing: 0, crossSigned: [], lockedOut }, leftBehind: missing };
}

/** Whom a bundle locks out though its signer did not say so; nobody, when it drops no root. */
export function lockedOutUnsaid(state: RotationState, after: RootsBody): readonly Missing[] {
  if (state.bundle.roots.every((root) => after.roots.includes(root))) return [];
  return missingMembers(state).filter(({ nodeId }) => !after.lockedOut.includes(nodeId));
}
