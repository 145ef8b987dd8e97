import { ok, type Result, refuse } from '../../../errors.ts';
import type { Permission } from '../../../protocols/access/permission.ts';
import type { Rate } from '../../../protocols/authorization/rate.ts';
import { RateTable } from '../../../protocols/authorization/rate-table.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Caller } from '../control.ts';
import type { ApiIdentity } from './api-access.ts';
import { type Authenticate, unauthenticatedText } from './authentication.ts';
import type { LoginRecord } from './login-record.ts';
import type { Permit } from './permit.ts';
import { rateSource } from './source.ts';

export interface AdmissionOptions {
  readonly authenticate: Authenticate;
  readonly logins: LoginRecord;
  readonly permitOf: (identity: ApiIdentity, caller: Caller) => Permit;
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
  /** Permissions of which the path asks for one, on something or other; none where it asks for none. */
  readonly needs: readonly Permission[];
}

/** Who may go on. */
export interface Admitted {
  readonly caller: Caller;
  /** Undefined where nobody was asked who they are. */
  readonly identity?: ApiIdentity;
  readonly permit?: Permit;
}

/** Decides, before a body is read, whether a request may go on, and in whose name. */
export type Admit = (arrival: Arrival) => Promise<Result<Admitted>>;

/**
 * The order is: whose key → budget of source and identity → audit of the login → permission. The budget comes before the audit, so
 * that guessing keys cannot keep the audit log busy; and after the key, so that a stranger behind the same address
 * cannot spend the budget of somebody who holds a key.
 *
 * Refusals: RATE_LIMIT_EXCEEDED, UNAUTHENTICATED, AUDIT_BLOCKED, INSUFFICIENT_PERMISSIONS.
 */
export function createAdmission({ authenticate, logins, permitOf, clock, rateLimit }: AdmissionOptions): Admit {
  const budgets = new RateTable();
  const rate: Rate | undefined = rateLimit && { ...rateLimit, burst: rateLimit.count };

  const spend = (caller: Caller): Result<Caller> => {
    if (!rate) return { ok: true, value: caller };
    const spent = budgets.spend(`${caller.identity} ${rateSource(caller.sourceIp)}`, rate, clock.monotonic());
    if (spent.allowed) return { ok: true, value: caller };
    const { refusal } = refuse('RATE_LIMIT_EXCEEDED', 'Too many requests came from this source with this identity.');
    return { ok: false, refusal: { ...refusal, retryAfterMs: spent.retryAfterMs } };
  };

  return async ({ requestId, sourceIp, authorization, access, needs }) => {
    if (access === 'open') {
      const spent = spend({ identity: 'open', sourceIp, requestId });
      return spent.ok ? ok({ caller: spent.value }) : spent;
    }
    const identified = authenticate(authorization);
    const caller: Caller = { identity: identified.ok ? identified.value.subject : 'anonymous', sourceIp, requestId };
    const admitted = spend(caller);
    if (!admitted.ok) return admitted;
    if (!identified.ok) {
      const recorded = await logins.failed(caller, identified.refusal.reasons, authorization);
      return recorded.ok ? refuse('UNAUTHENTICATED', unauthenticatedText) : recorded;
    }
    const recorded = logins.succeeded(caller);
    if (access !== 'protective') {
      const durable = await recorded;
      if (!durable.ok) return durable;
    }
    const identity = identified.value;
    const permit = permitOf(identity, caller);
    const lacking = lackingOf(permit, needs);
    return lacking ?? ok({ caller, identity, permit });
  };
}

/** Told before a body is read: nothing behind this path is for them, whatever they send. */
function lackingOf(permit: Permit, needs: readonly Permission[]): Result<never> | undefined {
  const [first] = needs;
  if (first === undefined || needs.some((permission) => permit.allows(permission, 'anywhere'))) return undefined;
  const judged = permit.judge(first, 'anywhere');
  return judged.ok ? undefined : judged;
}
