import type { Socket } from 'node:net';
import { CaxtonError, type ErrorCode, type Refusal } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { InvalidRequest } from './route.ts';

export interface RefusedThrow {
  readonly refusal: Refusal;
  /** HTTP’s own word where it has one; otherwise that of the code. */
  readonly status?: number;
  /** Nobody meant to throw this: it goes to the log and not to the client. */
  readonly bug: boolean;
}

/** What fastify throws before a handler runs, by its own code. */
const framework: Readonly<Record<string, { code: ErrorCode; status: number; reason: string }>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: {
    code: 'LIMIT_EXCEEDED',
    status: 413,
    reason: `The body is larger than ${limits.apiBodyBytesMax} bytes.`,
  },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: { code: 'MALFORMED', status: 415, reason: 'The body must be application/json.' },
  FST_ERR_CTP_EMPTY_JSON_BODY: { code: 'MALFORMED', status: 400, reason: 'The body is empty and should be JSON.' },
  FST_ERR_CTP_INVALID_JSON_BODY: { code: 'MALFORMED', status: 400, reason: 'The body is not JSON.' },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: 'MALFORMED',
    status: 400,
    reason: 'The body is not as long as its content-length says.',
  },
  FST_ERR_BAD_URL: { code: 'MALFORMED', status: 400, reason: 'The path is not a valid URL path.' },
  FST_ERR_MAX_PARAM_LENGTH: { code: 'MALFORMED', status: 414, reason: 'A part of the path is too long.' },
};

/** What to answer when something was thrown: nothing of a bug but that there was one. */
export function refusalOfThrow(error: unknown): RefusedThrow {
  if (error instanceof InvalidRequest) return { refusal: { code: 'MALFORMED', reasons: error.reasons }, bug: false };
  if (error instanceof CaxtonError) {
    const [first = error.message, ...more] = error.reasons;
    const { code, retryAfterMs } = error;
    const refusal: Refusal = {
      code,
      reasons: [first, ...more],
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
    return { refusal, bug: false };
  }
  const { code, statusCode } = (error ?? {}) as { code?: unknown; statusCode?: unknown };
  const known = typeof code === 'string' ? framework[code] : undefined;
  if (known) return { refusal: { code: known.code, reasons: [known.reason] }, status: known.status, bug: false };
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500)
    return { refusal: { code: 'MALFORMED', reasons: ['The request cannot be read.'] }, status: statusCode, bug: false };
  const reason = 'The node failed while it handled this request. Its log has the cause under the request id.';
  return { refusal: { code: 'INTERNAL', reasons: [reason] }, status: 500, bug: true };
}

const unreadable: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
};

/**
 * Ends an HTTP/1.1 connection whose bytes are no request. A failed or unfinished TLS handshake comes here too, and is
 * only cut: an answer could never be written and would keep the connection open.
 */
export function answerUnreadable(error: { readonly code?: string }, socket: Socket): void {
  const { code = '' } = error;
  if (!socket.writable || !(code in unreadable || code.startsWith('HPE_'))) {
    socket.destroy();
    return;
  }
  socket.write(`HTTP/1.1 ${unreadable[code] ?? '400 Bad Request'}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  socket.destroySoon();
}
