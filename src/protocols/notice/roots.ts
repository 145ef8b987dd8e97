import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isNodeId, isTrustDomain, type NodeId, type TrustDomain } from '../../names.ts';
import { integer, list, name, object, type Shape, text, withRule } from '../json/shape.ts';

/** A CA certificate, DER in base64: its own name in the rules, which compare and never read it. */
export type CertificateText = string;

/** Under which roots the certificates of the cluster stand: its trust bundle for TLS. Of one trust domain. */
export interface RootsBody {
  readonly trustDomain: TrustDomain;
  /** Whose certificates count; the oldest first. */
  readonly roots: readonly CertificateText[];
  /** Which of `roots` new certificates stand under. */
  readonly issuing: number;
  /** Newer roots signed by older ones: shown behind a certificate, for whoever knows the old root alone. */
  readonly crossSigned: readonly CertificateText[];
  /** Members whose certificates stop to count with this document, as its signer knew and wanted. */
  readonly lockedOut: readonly NodeId[];
}

const certificate = text(limits.rootCertificateCharsMax, /^[A-Za-z0-9+/]+={0,2}$/, 'DER in base64');

/** Accepts a bundle of 1 to `limits.rootsMax` roots, none twice, one of which is the issuing one. */
export const rootsBody: Shape<RootsBody> = withRule(
  object({
    trustDomain: name(isTrustDomain, 'a trust domain'),
    roots: list(certificate, limits.rootsMax, 1),
    issuing: integer(0, limits.rootsMax - 1),
    crossSigned: list(certificate, limits.rootsMax),
    lockedOut: list(name(isNodeId, 'a node id'), limits.rootsLockedOutMax),
  }),
  ({ issuing, roots }) => (issuing < roots.length ? undefined : 'expected the number of one of the roots as issuing'),
);

/** The fields in their fixed order, as they are signed. */
export const rootsInOrder = ({ trustDomain, roots, issuing, crossSigned, lockedOut }: RootsBody): RootsBody => ({
  trustDomain,
  roots,
  issuing,
  crossSigned,
  lockedOut,
});

/** The root under which new certificates stand. */
export const issuingRoot = ({ roots, issuing }: RootsBody): CertificateText => roots[issuing]!;

/**
 * What all bundles of one generation hold (at least one is given), the same in whatever order they came. Undefined when
 * they have no root in common: then none of them is in force, since a cluster that believes nobody could never hear of the
 * mistake.
 */
export function stricterRoots(bodies: readonly RootsBody[]): RootsBody | undefined {
  const [first, ...rivals] = bodies;
  if (!first || rivals.length === 0) return first;
  const inAll = (list: (body: RootsBody) => readonly string[]) =>
    list(first).filter((item) => rivals.every((rival) => list(rival).includes(item)));
  const common = inAll(({ roots }) => roots);
  if (common.length === 0 || rivals.some(({ trustDomain }) => trustDomain !== first.trustDomain)) return undefined;
  // Their order says which is the older one, and with that where a rotation stands: two who publish the same step at once
  // agree on it.
  const isOrdered = rivals.every(({ roots }) =>
    roots.filter((root) => common.includes(root)).every((root, at) => root === common[at]),
  );
  const roots = isOrdered ? common : common.toSorted();
  const isAgreed = rivals.every((rival) => issuingRoot(rival) === issuingRoot(first));
  return {
    trustDomain: first.trustDomain,
    roots,
    issuing: Math.max(0, isAgreed ? roots.indexOf(issuingRoot(first)) : 0),
    crossSigned: inAll(({ crossSigned }) => crossSigned),
    lockedOut: first.lockedOut.filter((node) => rivals.every(({ lockedOut }) => lockedOut.includes(node))),
  };
}

/**
 * Whether a bundle may follow another: a rotation goes in steps (a root is added, certificates are issued under it, an old
 * one is dropped), and whoever takes two at once locks members out. PROTOCOL_VIOLATION.
 */
export function judgeRootsStep(before: RootsBody, after: RootsBody): Result<void> {
  const wrong = (what: string) =>
    refuse('PROTOCOL_VIOLATION', `The bundle of roots ${what}: see caxton security rotate-ca.`);
  if (after.trustDomain !== before.trustDomain)
    return wrong(`is of the trust domain ${after.trustDomain}, and the cluster is of ${before.trustDomain}`);
  const added = after.roots.filter((root) => !before.roots.includes(root));
  const dropped = before.roots.filter((root) => !after.roots.includes(root));
  const switches = issuingRoot(after) !== issuingRoot(before);
  if ([added.length > 0, dropped.length > 0, switches].filter(Boolean).length > 1)
    return wrong('adds a root, drops one or changes the issuing one all at once, and these are steps of their own');
  return ok(undefined);
}
