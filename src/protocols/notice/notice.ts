import { CaxtonError, ok, type Refusal, type Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isName } from '../../names.ts';
import { integer, malformed, name, object, oneOf, readShape, timeMs } from '../json/shape.ts';
import { parseJson } from '../json/text.ts';
import { type TrustBody, trustBody } from './trust.ts';

/**
 * A document that the whole cluster must agree on, signed by an authority key and numbered by generation. In the form
 * after verification.
 */
export interface Notice {
  readonly v: 1;
  /** What it is about. Revocations, policies, roles and API keys come later, each with a body of its own. */
  readonly kind: 'trust';
  /** From 1; each new document of a kind has a higher one. */
  readonly generation: number;
  /** The cluster that it is for: a notice of another cluster means nothing here. */
  readonly clusterId: string;
  /** Milliseconds since 1970. For people: order is by generation alone. */
  readonly issuedAt: number;
  readonly body: TrustBody;
}

const shape = object({
  v: oneOf(1),
  kind: oneOf('trust'),
  generation: integer(1, Number.MAX_SAFE_INTEGER),
  clusterId: name((text): text is string => isName(text), 'a cluster id'),
  issuedAt: timeMs,
  body: trustBody,
});

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
   * generation, so an authority key is misused: raise an alarm and apply the stricter (`stricterTrust`).
   */
  readonly why: 'foreign' | 'rollback' | 'fork';
}

/**
 * Whether `candidate` takes the place of `current` (`undefined`: none yet). `newer`: it does; `same`: it is the same
 * document. Refuses with PROTOCOL_VIOLATION (foreign, fork) or REPLAYED (rollback).
 */
export function supersedes(current: Notice | undefined, candidate: Notice): Result<'newer' | 'same', NoticeRefusal> {
  if (current === undefined) return ok('newer');
  if (candidate.clusterId !== current.clusterId || candidate.kind !== current.kind)
    return refused(
      'PROTOCOL_VIOLATION',
      'foreign',
      `The notice is about ${candidate.kind} of cluster ${candidate.clusterId}, not ${current.kind} of ${current.clusterId}.`,
    );
  if (candidate.generation > current.generation) return ok('newer');
  if (candidate.generation < current.generation)
    return refused(
      'REPLAYED',
      'rollback',
      `The ${candidate.kind} notice has generation ${candidate.generation}; ${current.generation} is in force.`,
    );
  if (canonical(candidate) === canonical(current)) return ok('same');
  return refused(
    'PROTOCOL_VIOLATION',
    'fork',
    `Two different ${candidate.kind} notices have generation ${candidate.generation}: an authority key is misused.`,
  );
}

function refused(
  code: Refusal['code'],
  why: NoticeRefusal['why'],
  reason: string,
): { readonly ok: false; readonly refusal: NoticeRefusal } {
  return { ok: false, refusal: { code, why, reasons: [reason] } };
}

function canonical({ v, kind, generation, clusterId, issuedAt, body }: Notice): string {
  const { deployers, issuers, authorities } = body;
  return JSON.stringify({
    v,
    kind,
    generation,
    clusterId,
    issuedAt,
    body: { deployers, issuers, authorities },
  });
}
