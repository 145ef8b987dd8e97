import type { Wanted } from '../../../protocols/access/access.ts';
import type { Permission } from '../../../protocols/access/permission.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Admitted } from './admission.ts';
import type { ApiIdentity } from './api-access.ts';
import type { ApiRoute } from './route.ts';

interface Request {
  readonly mayGoOn: () => boolean;
  readonly cut: () => void;
}

/** A timer cannot be longer than 2³¹ ms, and no request is. */
const timerMsMax = 3_600_000;

/**
 * Requests that wait for their answers. One whose caller may not have it any more, since the key was revoked or has ended or a
 * role was taken away, is cut: what was asked may take an hour.
 */
export class UnderWay {
  readonly #clock: Clock;
  readonly #endsAt: (identity: ApiIdentity) => number;
  readonly #requests = new Set<Request>();

  constructor(clock: Clock, endsAt: (identity: ApiIdentity) => number) {
    this.#clock = clock;
    this.#endsAt = endsAt;
  }

  /** A request begins; the function that comes back ends it. */
  begin(
    { identity, permit }: Admitted,
    { outlivesKey }: ApiRoute,
    judged: { readonly permission: Permission; readonly on: Wanted } | undefined,
    cut: () => void,
  ): () => void {
    if (!identity || !permit || outlivesKey) return () => {};
    const mayGoOn = (): boolean => (judged ? permit.allows(judged.permission, judged.on) : permit.view().ok);
    const request = { mayGoOn, cut };
    this.#requests.add(request);
    const leftMs = this.#endsAt(identity) - this.#clock.now();
    const timer =
      leftMs < timerMsMax ? this.#clock.setTimeout(() => this.#judge(request), Math.max(0, leftMs)) : undefined;
    return () => {
      this.#requests.delete(request);
      if (timer !== undefined) this.#clock.clearTimeout(timer);
    };
  }

  /** Keys or roles have changed. */
  judgeAgain(): void {
    for (const request of this.#requests) this.#judge(request);
  }

  #judge(request: Request): void {
    if (request.mayGoOn()) return;
    this.#requests.delete(request);
    request.cut();
  }
}
