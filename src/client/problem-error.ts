import { CaxtonError, type ErrorCode, errorCodes } from '../errors.ts';
import { limits } from '../limits.ts';

const reasonCharsMax = 2_000;

const isErrorCode = (code: unknown): code is ErrorCode => typeof code === 'string' && Object.hasOwn(errorCodes, code);

/**
 * The error for an answer that is not a success: the node’s own refusal when it is a problem document, otherwise
 * PROTOCOL_VIOLATION. The document comes from outside, so every field is checked and bounded.
 */
export function problemError(status: number, text: string, address: string): CaxtonError {
  const { code, reasons, retryAfterMs, requestId } = fieldsOf(text);
  const list = (Array.isArray(reasons) ? reasons : [])
    .filter((reason) => typeof reason === 'string')
    .slice(0, limits.reasonsMax)
    .map((reason) => reason.slice(0, reasonCharsMax));
  if (!isErrorCode(code)) {
    const named = typeof code === 'string' ? ` with the unknown code ${code.slice(0, 64)}` : '';
    return new CaxtonError('PROTOCOL_VIOLATION', [`${address} answered with status ${status}${named}.`, ...list]);
  }
  if (list.length === 0) list.push(errorCodes[code].cause);
  if (status === 500 && typeof requestId === 'string') list.push(`Request id: ${requestId.slice(0, 64)}.`);
  const waits = typeof retryAfterMs === 'number' && Number.isFinite(retryAfterMs) && retryAfterMs >= 0;
  return new CaxtonError(code, list, waits ? { retryAfterMs } : undefined);
}

function fieldsOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
