import { type Result, refuse } from '../../../errors.ts';
import type { Rate } from '../../../protocols/authorization/rate.ts';
import { RateTable } from '../../../protocols/authorization/rate-table.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Caller } from '../control.ts';
import { type Authenticate, unauthenticatedText } from './authentication.ts';
import type { LoginRecord } from './login-record.ts';
import { rateSource } from './source.ts';

export interface AdmissionOptions {
  readonly authenticate: Authenticate;
  readonly logins: LoginRecord;
  readonly clock: Clock;
  /** Requests per source and identity; the whole count may come at once. Absent: no limit. */
  readonly rateLimit: { readonly count: number; readonly periodMs: number } | undefined;
}

/** What admission needs to know about a request. */
export interface Arrival {
  readonly requestId: string;
  readonly sourceIp: string;
  readonly authorization: string | undefined;
  /** Health needs no credential; `protective` acts need one but never wait for the audit log. */
  readonly access: 'open' | 'authenticated' | 'protective';
}

/** Decides, before a body is read, whether a request may go on, and in whose name. */
export type Admit = (arrival: Arrival) => Promise<Result<Caller>>;

/**
 * The order is: whose key → budget of source and identity → audit of the login. The budget comes before the audit, so
 * that guessing keys cannot keep the audit log busy; and after the key, so that a stranger behind the same address
 * cannot spend the budget of somebody who holds a key.
 *
 * Refusals: RATE_LIMIT_EXCEEDED, UNAUTHENTICATED, AUDIT_BLOCKED.
 */
export function createAdmission({ authenticate, logins, clock, rateLimit }: AdmissionOptions): Admit {
  const budgets = new RateTable();
  const rate: Rate | undefined = rateLimit && { ...rateLimit, burst: rateLimit.count };

  const spend = (caller: Caller): Result<Caller> => {
    if (!rate) return { ok: true, value: caller };
    const spent = budgets.spend(`${caller.identity} ${rateSource(caller.sourceIp)}`, rate, clock.monotonic());
    if (spent.allowed) return { ok: true, value: caller };
    const { refusal } = refuse('RATE_LIMIT_EXCEEDED', 'Too many requests came from this source with this identity.');
    return { ok: false, refusal: { ...refusal, retryAfterMs: spent.retryAfterMs } };
  };

  return async ({ requestId, sourceIp, authorization, access }) => {
    if (access === 'open') return spend({ identity: 'open', sourceIp, requestId });
    const identified = authenticate(authorization);
    const caller: Caller = { identity: identified.ok ? identified.value : 'anonymous', sourceIp, requestId };
    const admitted = spend(caller);
    if (!admitted.ok) return admitted;
    if (!identified.ok) {
      const recorded = await logins.failed(caller, identified.refusal.reasons, authorization);
      return recorded.ok ? refuse('UNAUTHENTICATED', unauthenticatedText) : recorded;
    }
    const recorded = logins.succeeded(caller);
    if (access === 'protective') return admitted;
    const durable = await recorded;
    return durable.ok ? admitted : durable;
  };
}
