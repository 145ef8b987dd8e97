import { LRUCache } from 'lru-cache';
import { ok, type Refusal, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Caller, NodeControl } from '../control.ts';

/** One successful login is recorded for this long; requests within it belong to the same login. */
const loginMs = 60_000;

interface Login {
  readonly untilMs: number;
  readonly recorded: Promise<Result<void>>;
}

/** Puts logins into the audit log: each failure, and each success once per identity and source in a minute. */
export interface LoginRecord {
  /** Resolves when the login is durable; AUDIT_BLOCKED when it cannot be. */
  succeeded(caller: Caller): Promise<Result<void>>;
  /** `credential`: what was presented, if anything; it is not recorded itself. */
  failed(caller: Caller, reasons: readonly string[], credential: string | undefined): Promise<Result<void>>;
}

/** `standIn`: what may stand in a record for a credential; without it none is mentioned. */
export function createLoginRecord(
  control: NodeControl,
  clock: Clock,
  standIn?: (secret: string) => string,
): LoginRecord {
  // A forgotten login is only audited once more, so the table may drop what it likes.
  const logins = new LRUCache<string, Login>({ max: limits.apiLoginsMax });
  return {
    succeeded(caller) {
      const key = `${caller.identity} ${caller.sourceIp}`;
      const now = clock.monotonic();
      const known = logins.get(key);
      if (known && now < known.untilMs) return known.recorded;
      const login: Login = { untilMs: now + loginMs, recorded: record(control, 'LoginSuccess', caller, []) };
      logins.set(key, login);
      void login.recorded.then((recorded) => {
        if (!recorded.ok && logins.peek(key) === login) logins.delete(key);
      });
      return login.recorded;
    },
    failed: (caller, reasons, credential) => {
      const mentioned = credential === undefined ? undefined : standIn?.(credential);
      return record(control, 'LoginFailure', caller, reasons, mentioned);
    },
  };
}

/** An audit that throws is an audit that did not happen: the answer is the same refusal. */
async function record(
  control: NodeControl,
  type: 'LoginSuccess' | 'LoginFailure',
  caller: Caller,
  reasons: readonly string[],
  credential?: string,
): Promise<Result<void>> {
  try {
    const recorded = await control.audit({
      type,
      caller,
      reasons,
      ...(credential === undefined ? {} : { credential }),
    });
    return recorded.ok ? ok(undefined) : { ok: false, refusal: blocked(recorded.refusal) };
  } catch {
    return refuse('AUDIT_BLOCKED', 'The login could not be recorded.');
  }
}

const blocked = (refusal: Refusal): Refusal => ({ ...refusal, code: 'AUDIT_BLOCKED' });
