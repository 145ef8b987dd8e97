import { parseDuration } from '../../config/quantity.ts';
import type { Validity } from '../../crypto/certificate.ts';
import { CaxtonError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { UsageError } from '../command.ts';

const minuteMs = 60_000;
const dayMs = 86_400_000;

/** Milliseconds of `90d`, `24h`, `30m`; a minute to a hundred years. UsageError. */
export function readLifetime(text: string, option: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= minuteMs && ms <= limits.certificateLifetimeMsMax) return ms;
  const days = limits.certificateLifetimeMsMax / dayMs;
  throw new UsageError(`--${option} is a time such as 90d, 24h or 30m, from 1m to ${days}d.`);
}

/**
 * From when to when a new certificate is valid: a little before now, for peers whose clocks are behind, and not longer
 * than the CA that signs it. `shortened` when the CA is the reason. CERTIFICATE_REFUSED when the CA has ended.
 */
export function validityFrom(
  now: number,
  lifetimeMs: number,
  ca?: { readonly notBefore: number; readonly notAfter: number },
): Validity & { readonly shortened: boolean } {
  const wanted = now + lifetimeMs;
  const notAfter = Math.min(wanted, ca?.notAfter ?? wanted);
  if (notAfter <= now)
    throw new CaxtonError('CERTIFICATE_REFUSED', `The CA ended ${new Date(notAfter).toISOString()}: make a new one.`);
  const notBefore = Math.max(now - limits.clockSkewMsMax, ca?.notBefore ?? 0);
  return { notBefore, notAfter, shortened: notAfter < wanted };
}
