import { type Refusal, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isNodeId } from '../../names.ts';
import { list, object, oneOf, problem, type Shape, text, timeMs, withRule } from '../json/shape.ts';

/**
 * What can be revoked. `node`: a node id, whatever certificate it shows. `serial`: one certificate, in upper-case
 * hexadecimal. `key`: an Ed25519 key by its id, whatever it signs: a deployer’s, an issuer’s, an authority’s, a node’s
 * claim key. `token` and `deployment`: one signed document by its id (SHA-256 of its text, base64url).
 */
export const revocableKinds = ['node', 'serial', 'key', 'token', 'deployment'] as const;
export type RevocableKind = (typeof revocableKinds)[number];

/**
 * Why, in the words of RFC 5280 §5.3.1 so that a CRL can say the same. Those of it that can be taken back
 * (certificateHold, removeFromCRL) are missing: a revocation is for good.
 */
export const revocationReasons = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'privilegeWithdrawn',
] as const;
export type RevocationReason = (typeof revocationReasons)[number];

/** One thing that does not count any more, from the moment in which a node hears of it. */
export interface Revocation {
  readonly kind: RevocableKind;
  readonly id: string;
  readonly reason: RevocationReason;
  /** When it was revoked, milliseconds since 1970. For people: it counts whatever the clock says. */
  readonly at: number;
}

/** All that was ever revoked in the cluster. */
export interface RevocationsBody {
  readonly revocations: readonly Revocation[];
}

const forms: Readonly<Record<RevocableKind, { readonly accepts: (id: string) => boolean; readonly form: string }>> = {
  node: { accepts: isNodeId, form: 'a node id' },
  // A serial has one text: no zero in front, as node certificates are read.
  serial: { accepts: (id) => /^(?!00)(?:[0-9A-F]{2}){1,20}$/.test(id), form: 'a serial number in upper-case hex' },
  key: { accepts: (id) => /^[A-Za-z0-9_-]{21}[AQgw]$/.test(id), form: 'a key id, 22 characters of base64url' },
  token: { accepts: isDocumentId, form: 'a document id, 43 characters of base64url' },
  deployment: { accepts: isDocumentId, form: 'a document id, 43 characters of base64url' },
};

function isDocumentId(id: string): boolean {
  return /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/.test(id);
}

/** Whether an id is in the one form of its kind; otherwise what that form is. */
export const revocableForm = (kind: RevocableKind, id: string): string | undefined =>
  forms[kind].accepts(id) ? undefined : forms[kind].form;

const revocation: Shape<Revocation> = withRule(
  object({
    kind: oneOf(...revocableKinds),
    id: text(63),
    reason: oneOf(...revocationReasons),
    at: timeMs,
  }),
  ({ kind, id }) => {
    const form = revocableForm(kind, id);
    return form === undefined ? undefined : `expected ${form} of a revoked ${kind}`;
  },
);

/** Accepts at most `limits.revocationsMax` revocations, nothing twice. */
export const revocationsBody: Shape<RevocationsBody> = (value, path, problems) => {
  const body = object({ revocations: list(revocation, limits.revocationsMax) })(value, path, problems);
  if (!body) return undefined;
  return new Set(body.revocations.map(keyOf)).size === body.revocations.length
    ? body
    : problem(problems, [...path, 'revocations'], 'something is revoked twice');
};

/** Accepts one revocation apart from a notice: as a node keeps it. */
export const keptRevocations: Shape<readonly Revocation[]> = list(revocation, limits.revocationsMax);

/** The fields in their fixed order, as they are signed. */
export const revocationsInOrder = ({ revocations }: RevocationsBody): RevocationsBody => ({
  revocations: revocations.map(({ kind, id, reason, at }) => ({ kind, id, reason, at })),
});

const keyOf = ({ kind, id }: Pick<Revocation, 'kind' | 'id'>): string => `${kind} ${id}`;

/** What either list revokes; of two entries about one thing the first list’s. */
export function unionOf(first: readonly Revocation[], second: readonly Revocation[]): readonly Revocation[] {
  const known = new Set(first.map(keyOf));
  const more = second.filter((entry) => !known.has(keyOf(entry)));
  return more.length === 0 ? first : [...first, ...more];
}

/** What `before` revokes and `after` does not: a revocation is for good, so there should be nothing. */
export function leftOut(before: readonly Revocation[], after: readonly Revocation[]): readonly Revocation[] {
  const known = new Set(after.map(keyOf));
  return before.filter((entry) => !known.has(keyOf(entry)));
}

/** Says of one thing whether, why and since when it is revoked. */
export type FindRevocation = (kind: RevocableKind, id: string) => Revocation | undefined;

/** For looking up, many times, what is revoked. */
export function revocationIndex(revocations: readonly Revocation[]): FindRevocation {
  const byKey = new Map(revocations.map((entry) => [keyOf(entry), entry]));
  return (kind, id) => byKey.get(keyOf({ kind, id }));
}

const nouns: Readonly<Record<RevocableKind, string>> = {
  node: 'The node',
  serial: 'The certificate with the serial',
  key: 'The key',
  token: 'The capability token',
  deployment: 'The deployment',
};

/** The refusal of whatever is revoked. */
export const revokedRefusal = ({ kind, id, reason, at }: Revocation): Refusal =>
  refuse('REVOKED', `${nouns[kind]} ${id} was revoked (${reason}, ${new Date(at).toISOString()}).`).refusal;
