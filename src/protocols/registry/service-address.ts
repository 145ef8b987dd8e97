import { ok, type Result, refuse } from '../../errors.ts';
import { isAgentId } from '../../names.ts';
import { shown } from '../json/text.ts';

/** `best`: one, the same as long as nothing changes. `rr`: one after the other in turn. `all`: each of them. */
export type Pick = (typeof picks)[number];

const picks = ['best', 'rr', 'all'] as const;

/** Whoever offers a service, as the receiver of a message: `service:tenant/name?pick=best`. */
export interface ServiceAddress {
  /** `tenant/name`. */
  readonly service: string;
  readonly pick: Pick;
}

const scheme = 'service:';

/** Whether the text means a service and no agent; what is wrong with it beyond that, `readServiceAddress` says. */
export const isServiceAddress = (text: string): boolean => text.startsWith(scheme);

/** Reads `service:tenant/name`, with or without `?pick=`; without it is `best`. MALFORMED. */
export function readServiceAddress(text: string): Result<ServiceAddress> {
  const [service = '', ...queries] = text.slice(scheme.length).split('?');
  const [query = 'pick=best'] = queries;
  const pick = picks.find((name) => query === `pick=${name}`);
  // A service is named as an agent is.
  if (isServiceAddress(text) && isAgentId(service) && queries.length < 2 && pick) return ok({ service, pick });
  return refuse(
    'MALFORMED',
    `${shown(text.slice(0, 200))} is no address of a service: expected service:tenant/name, or with ?pick=best, ?pick=rr or ?pick=all.`,
  );
}
