import { type Refusal, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isNodeId, type NodeId } from '../../names.ts';
import { list, object, oneOf, problem, type Shape, text, timeMs, withRule } from '../json/shape.ts';

/**
 * What can be revoked. `node`: a node id, whatever certificate it shows. `serial`: one certificate, in upper-case
 * hexadecimal. `certificates`: all of a node that began up to a moment, whoever issued them and whoever knows of them.
 * `key`: an Ed25519 key by its id, whatever it signs: a deployer’s, an issuer’s, an authority’s, a node’s claim key; or the
 * key of certificates, a node’s or a CA’s. `token` and `deployment`: one signed document by its id (SHA-256 of its text,
 * base64url).
 */
export const revocableKinds = ['node', 'serial', 'certificates', 'key', 'token', 'deployment'] as const;
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
  certificates: { accepts: (id) => boundOf(id) !== undefined, form: 'a node id, “@” and milliseconds since 1970' },
  key: {
    accepts: (id) => /^[A-Za-z0-9_-]{21}[AQgw]$/.test(id) || isCertificateKeyId(id),
    form: 'a key id: 22 characters of base64url, or of a certificate’s key 64 in lower-case hex',
  },
  token: { accepts: isDocumentId, form: 'a document id, 43 characters of base64url' },
  deployment: { accepts: isDocumentId, form: 'a document id, 43 characters of base64url' },
};

function isDocumentId(id: string): boolean {
  return /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/.test(id);
}

/** Whether a key id is that of a certificate’s key: SHA-256 of its SubjectPublicKeyInfo. */
export const isCertificateKeyId = (id: string): boolean => /^[0-9a-f]{64}$/.test(id);

/** The id of `certificates`: those of a node that began up to `until`, milliseconds since 1970. */
export const certificatesUntil = (node: NodeId, until: number): string => `${node}@${until}`;

interface Bound {
  readonly node: NodeId;
  readonly until: number;
}

function boundOf(id: string): Bound | undefined {
  const [node = '', until = '', ...more] = id.split('@');
  const has = isNodeId(node) && /^[1-9][0-9]{0,14}$/.test(until) && more.length === 0;
  return has ? { node, until: Number(until) } : undefined;
}

/** Whether an id is in the one form of its kind; otherwise what that form is. */
export const revocableForm = (kind: RevocableKind, id: string): string | undefined =>
  forms[kind].accepts(id) ? undefined : forms[kind].form;

const revocation: Shape<Revocation> = withRule(
  object({
    kind: oneOf(...revocableKinds),
    id: text(79),
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

/** Says of one thing whether, why and since when it is revoked; of `certificates` by the node, up to the last moment. */
export type FindRevocation = (kind: RevocableKind, id: string) => Revocation | undefined;

/** For looking up, many times, what is revoked. */
export function revocationIndex(revocations: readonly Revocation[]): FindRevocation {
  const byKey = new Map<string, Revocation>();
  for (const entry of revocations) {
    const bound = entry.kind === 'certificates' ? boundOf(entry.id) : undefined;
    const key = keyOf({ kind: entry.kind, id: bound?.node ?? entry.id });
    const known = bound && byKey.get(key);
    if (!known || boundOf(known.id)!.until < bound.until) byKey.set(key, entry);
  }
  return (kind, id) => byKey.get(keyOf({ kind, id }));
}

/** Up to when the certificates of a node are revoked that began by then, milliseconds since 1970; undefined when none are. */
export function revokedUntil(find: FindRevocation, node: NodeId): number | undefined {
  const found = find('certificates', node);
  return found && boundOf(found.id)?.until;
}

/** A node’s certificate, or, without a node, one that signs such. */
export interface RevocableCertificate {
  readonly nodeId?: NodeId | undefined;
  /** Upper-case hex. */
  readonly serial: string;
  /** SHA-256 of its SubjectPublicKeyInfo, lower-case hex. It is dear, and so asked for last. */
  readonly keyId?: string | undefined;
  /** When it began, milliseconds since 1970. */
  readonly notBefore?: number | undefined;
}

/** Why a certificate does not count, by its serial, its beginning or its key; who is above it is asked for apart. */
export function revocationOf(find: FindRevocation, certificate: RevocableCertificate): Revocation | undefined {
  const { nodeId, serial, notBefore } = certificate;
  const bySerial = find('serial', serial);
  if (bySerial) return bySerial;
  const until = nodeId === undefined ? undefined : revokedUntil(find, nodeId);
  if (until !== undefined && notBefore !== undefined && notBefore <= until) return find('certificates', nodeId!);
  const { keyId } = certificate;
  return keyId === undefined ? undefined : find('key', keyId);
}

const nouns: Readonly<Record<RevocableKind, string>> = {
  node: 'The node',
  serial: 'The certificate with the serial',
  certificates: 'The certificates',
  key: 'The key',
  token: 'The capability token',
  deployment: 'The deployment',
};

/** What is revoked, for people. */
function revokedText({ kind, id }: Pick<Revocation, 'kind' | 'id'>): string {
  const bound = kind === 'certificates' ? boundOf(id) : undefined;
  if (!bound) return `${nouns[kind]} ${id}`;
  return `Every certificate of ${bound.node} that began up to ${new Date(bound.until).toISOString()}`;
}

/** The refusal of whatever is revoked. */
export const revokedRefusal = (revocation: Revocation): Refusal =>
  refuse(
    'REVOKED',
    `${revokedText(revocation)} was revoked (${revocation.reason}, ${new Date(revocation.at).toISOString()}).`,
  ).refusal;
