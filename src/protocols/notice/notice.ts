import { CaxtonError, ok, type Refusal, type Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isName } from '../../names.ts';
import { type ApiKeysBody, apiKeysBody, apiKeysInOrder } from '../access/api-keys.ts';
import { type RolesBody, rolesBody, rolesInOrder } from '../access/roles.ts';
import { clusterPolicies, type PolicySet, policiesInOrder } from '../authorization/policy.ts';
import { integer, malformed, name, object, oneOf, readShape, type Shape, timeMs } from '../json/shape.ts';
import { parseJson } from '../json/text.ts';
import { type RevocationsBody, revocationsBody, revocationsInOrder } from './revocation.ts';
import { type RootsBody, rootsBody, rootsInOrder } from './roots.ts';
import { type SuspensionsBody, suspensionsBody, suspensionsInOrder } from './suspension.ts';
import { type TrustBody, trustBody, trustInOrder } from './trust.ts';

/** What notices are about, with the body of each. */
export interface NoticeBodies {
  readonly trust: TrustBody;
  readonly revocations: RevocationsBody;
  readonly roots: RootsBody;
  readonly suspensions: SuspensionsBody;
  readonly policies: PolicySet;
  readonly roles: RolesBody;
  readonly 'api-keys': ApiKeysBody;
}

export type NoticeKind = keyof NoticeBodies;

/**
 * Every kind, in the order in which they are reconciled: trust first, since it says whose signatures count under the
 * others.
 */
export const noticeKinds = [
  'trust',
  'revocations',
  'suspensions',
  'roots',
  'policies',
  'roles',
  'api-keys',
] as const satisfies readonly NoticeKind[];

export const isNoticeKind = (text: string): text is NoticeKind => (noticeKinds as readonly string[]).includes(text);

/**
 * A document that the whole cluster must agree on, signed by an authority key and numbered by generation. In the form
 * after verification.
 */
export interface NoticeOf<K extends NoticeKind> {
  readonly v: 1;
  /** What it is about. */
  readonly kind: K;
  /** From 1; each new document of a kind has a higher one. */
  readonly generation: number;
  /** The cluster that it is for: a notice of another cluster means nothing here. */
  readonly clusterId: string;
  /** Milliseconds since 1970. For people: order is by generation alone. */
  readonly issuedAt: number;
  readonly body: NoticeBodies[K];
}

export type Notice = { readonly [K in NoticeKind]: NoticeOf<K> }[NoticeKind];

const shapeOf = <K extends NoticeKind>(kind: K, body: Shape<NoticeBodies[K]>) =>
  object({
    v: oneOf(1),
    kind: oneOf(kind),
    generation: integer(1, Number.MAX_SAFE_INTEGER),
    clusterId: name((text): text is string => isName(text), 'a cluster id'),
    issuedAt: timeMs,
    body,
  });

/** What the body of each kind looks like. */
export const noticeBodies: { readonly [K in NoticeKind]: Shape<NoticeBodies[K]> } = {
  trust: trustBody,
  revocations: revocationsBody,
  suspensions: suspensionsBody,
  roots: rootsBody,
  policies: clusterPolicies,
  roles: rolesBody,
  'api-keys': apiKeysBody,
};

const shapes = Object.fromEntries(
  noticeKinds.map((kind) => [kind, shapeOf(kind, noticeBodies[kind] as Shape<NoticeBodies[NoticeKind]>)]),
) as unknown as Readonly<Record<NoticeKind, Shape<Notice>>>;

/** The kind says how to read the rest. */
const shape: Shape<Notice> = (value, path, problems) => {
  const kind = oneOf(...noticeKinds)((value as { kind?: unknown } | null)?.kind, [...path, 'kind'], problems);
  return kind && shapes[kind](value, path, problems);
};

/**
 * The exact text to sign: JSON with fixed key order, as UTF-8. Throws MALFORMED or LIMIT_EXCEEDED when the notice
 * would not be read back.
 */
export function noticePayload(notice: Notice): string {
  const payload = canonical(notice);
  const read = readNotice(payload);
  if (!read.ok) throw CaxtonError.from(read.refusal);
  return payload;
}

/** Reads a payload whose signature was verified. LIMIT_EXCEEDED past `limits.noticeBytesMax`, MALFORMED. */
export function readNotice(payload: string): Result<Notice> {
  const json = parseJson(payload, { charsMax: limits.noticeBytesMax, depthMax: limits.documentDepthMax });
  if (!json.ok) return json;
  return readShape(shape, json.value, malformed('The notice'));
}

/** Why a notice does not take the place of the current one. */
export interface NoticeRefusal extends Refusal {
  /**
   * `foreign`: of another cluster or kind. `rollback`: older than what is in force. `fork`: two documents of one
   * generation, so an authority key is misused: raise an alarm and apply the stricter. `leap`: its generation is so high
   * that there would soon be none above it. `overflow`: it would revoke more, with what is in force, than a node holds.
   * `unsound`: its certificates do not fit together, or are of another trust domain.
   */
  readonly why: 'foreign' | 'rollback' | 'fork' | 'leap' | 'overflow' | 'unsound';
  readonly kind: NoticeKind;
}

/**
 * Whether `candidate` takes the place of `current` (`undefined`: none yet). `newer`: it does; `same`: it is the same
 * document. Refuses with PROTOCOL_VIOLATION (foreign, fork), REPLAYED (rollback) or LIMIT_EXCEEDED (leap).
 */
export function supersedes(current: Notice | undefined, candidate: Notice): Result<'newer' | 'same', NoticeRefusal> {
  if (current === undefined) return withinStep(0, candidate);
  if (candidate.clusterId !== current.clusterId || candidate.kind !== current.kind)
    return noticeRefused(
      candidate,
      'PROTOCOL_VIOLATION',
      'foreign',
      `The notice is about ${candidate.kind} of cluster ${candidate.clusterId}, not ${current.kind} of ${current.clusterId}.`,
    );
  if (candidate.generation > current.generation) return withinStep(current.generation, candidate);
  if (candidate.generation < current.generation)
    return noticeRefused(
      candidate,
      'REPLAYED',
      'rollback',
      `The ${candidate.kind} notice has generation ${candidate.generation}; ${current.generation} is in force.`,
    );
  if (canonical(candidate) === canonical(current)) return ok('same');
  return noticeRefused(
    candidate,
    'PROTOCOL_VIOLATION',
    'fork',
    `Two different ${candidate.kind} notices have generation ${candidate.generation}: an authority key is misused.`,
  );
}

function withinStep(from: number, candidate: Notice): Result<'newer', NoticeRefusal> {
  const { kind, generation } = candidate;
  const highest = from + limits.noticeGenerationStepMax;
  if (generation <= highest) return ok('newer');
  return noticeRefused(
    candidate,
    'LIMIT_EXCEEDED',
    'leap',
    `The ${kind} notice has generation ${generation}, and ${from === 0 ? 'none' : from} is in force: the next may have ${highest} at most. Sign it again with ${from + 1}.`,
  );
}

/** The refusal of a notice, as a result. */
export function noticeRefused(
  { kind }: Notice,
  code: Refusal['code'],
  why: NoticeRefusal['why'],
  reason: string,
): { readonly ok: false; readonly refusal: NoticeRefusal } {
  return { ok: false, refusal: { code, why, kind, reasons: [reason] } };
}

function canonical(notice: Notice): string {
  const { v, kind, generation, clusterId, issuedAt } = notice;
  return JSON.stringify({ v, kind, generation, clusterId, issuedAt, body: bodyInOrder(notice) });
}

/** The body as it is signed: plain data, its keys in their fixed order. */
export function bodyInOrder(notice: Notice): object {
  switch (notice.kind) {
    case 'trust':
      return trustInOrder(notice.body);
    case 'revocations':
      return revocationsInOrder(notice.body);
    case 'suspensions':
      return suspensionsInOrder(notice.body);
    case 'roots':
      return rootsInOrder(notice.body);
    case 'policies':
      return policiesInOrder(notice.body);
    case 'roles':
      return rolesInOrder(notice.body);
    case 'api-keys':
      return apiKeysInOrder(notice.body);
  }
}
