import type { Result } from '../../../errors.ts';
import type { Wanted } from '../../../protocols/access/access.ts';
import type { Permission } from '../../../protocols/access/permission.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Caller, NodeControl } from '../control.ts';
import type { AccessView, ApiAccess, ApiIdentity } from './api-access.ts';
import { unauthenticatedText } from './authentication.ts';

/** What the caller of one request may do. */
export interface Permit {
  /** INSUFFICIENT_PERMISSIONS names what is missing; UNAUTHENTICATED when the key has stopped to count. Recorded. */
  judge(permission: Permission, on: Wanted): Result<void>;
  /** The same without a record: for leaving out of a list what the caller may not see. */
  allows(permission: Permission, on: Wanted): boolean;
  /** What the caller may do, for the caller. */
  view(): Result<AccessView>;
}

/** Makes the permit of each caller. A denial is recorded and nobody waits for that: it is a denial all the same. */
export function createPermits(access: ApiAccess, control: NodeControl, clock: Clock) {
  return (identity: ApiIdentity, caller: Caller): Permit => ({
    judge(permission, on) {
      const judged = access.judge(identity, permission, on, clock.now());
      if (judged.ok) return judged;
      const { code, reasons } = judged.refusal;
      control.audit({ type: 'AccessDenied', caller, reasons, code }).catch(() => undefined);
      if (code !== 'UNAUTHENTICATED') return judged;
      return { ok: false, refusal: { code, reasons: [unauthenticatedText] } };
    },
    allows: (permission, on) => access.judge(identity, permission, on, clock.now()).ok,
    view: () => access.view(identity, clock.now()),
  });
}
