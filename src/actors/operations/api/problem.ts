import { type ErrorCode, errorCodes, type Refusal } from '../../../errors.ts';
import { limits } from '../../../limits.ts';

/** The HTTP status that answers each refusal. */
export const httpStatus: Readonly<Record<ErrorCode, number>> = {
  MALFORMED: 400,
  SEAL_INVALID: 400,
  UNAUTHENTICATED: 401,
  UNAUTHORIZED: 403,
  INSUFFICIENT_PERMISSIONS: 403,
  CERTIFICATE_REFUSED: 403,
  REVOKED: 403,
  SUSPENDED: 403,
  UNKNOWN_AGENT: 404,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  ADDRESS_IN_USE: 409,
  CANCELLED: 409,
  REPLAYED: 409,
  LIMIT_EXCEEDED: 413,
  CONFIG_INVALID: 422,
  DEPLOYMENT_REFUSED: 422,
  PROTOCOL_VIOLATION: 422,
  PROOF_INVALID: 422,
  SIGNATURE_INVALID: 422,
  RATE_LIMIT_EXCEEDED: 429,
  FILE_UNREADABLE: 500,
  INTERNAL: 500,
  SUPERVISION: 500,
  NOT_SUPPORTED: 501,
  AUDIT_BLOCKED: 503,
  INBOX_FULL: 503,
  PARTITION_MINORITY: 503,
  STOPPED: 503,
  UNREACHABLE: 503,
  TIMED_OUT: 504,
};

/** The media type of every error (RFC 9457). */
export const problemType = 'application/problem+json';

/** A refusal in the form of RFC 9457, with what a program (`code`) and a person (`reasons`, `mend`) need besides. */
export interface Problem {
  /** `urn:caxton:error:<code>`. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  /** The reasons in one text. */
  readonly detail: string;
  readonly reasons: readonly string[];
  readonly mend: string;
  readonly requestId: string;
  /** Milliseconds; also in seconds in the header `retry-after`. */
  readonly retryAfterMs?: number;
}

/** The document for a refusal. `status` replaces the code’s own where HTTP has a better word, such as 404 or 405. */
export function problemOf(refusal: Refusal, requestId: string, status: number = httpStatus[refusal.code]): Problem {
  const reasons = refusal.reasons.slice(0, limits.reasonsMax);
  return {
    type: `urn:caxton:error:${refusal.code}`,
    title: errorCodes[refusal.code].cause,
    status,
    code: refusal.code,
    detail: reasons.join(' '),
    reasons,
    mend: errorCodes[refusal.code].mend,
    requestId,
    ...(refusal.retryAfterMs === undefined ? {} : { retryAfterMs: refusal.retryAfterMs }),
  };
}
