import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isName } from '../../names.ts';
import type { LifeWatcher, Place } from './place.ts';
import type { Ref } from './ref.ts';
import type { Registry } from './registry.ts';

/** Groups of lives on this node, as OTP’s `pg`: many lives a group, each a member once, until it leaves or ends. */
export class ProcessGroups {
  readonly #registry: Registry;
  readonly #groups = new Map<string, Map<Place, Membership>>();
  #memberships = 0;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** MALFORMED, STOPPED (nobody lives there), LIMIT_EXCEEDED. Joining twice is joining once. */
  join(group: string, ref: Ref<never>): Result<void> {
    if (!isName(group)) return refuse('MALFORMED', 'A group is [a-z0-9][a-z0-9_-]*, at most 63 characters.');
    const place = this.#registry.find(ref.path);
    if (place === undefined || !place.occupied) return refuse('STOPPED', `Nobody lives at ${ref.path}.`);
    const members = this.#groups.get(group) ?? new Map<Place, Membership>();
    if (members.has(place)) return ok(undefined);
    if (this.#memberships >= limits.actorNamesMax)
      return refuse('LIMIT_EXCEEDED', `All groups have ${limits.actorNamesMax} members already.`);
    const membership = new Membership(() => this.#drop(group, place));
    place.watch(membership);
    members.set(place, membership);
    this.#groups.set(group, members);
    this.#memberships += 1;
    return ok(undefined);
  }

  /** Leaves a group; one that is no member is fine. */
  leave(group: string, ref: Ref<never>): void {
    const place = this.#registry.find(ref.path);
    const membership = place && this.#groups.get(group)?.get(place);
    if (place === undefined || membership === undefined) return;
    place.unwatch(membership);
    this.#drop(group, place);
  }

  /** Who is in the group now, in the order in which they joined. */
  members<M>(group: string): readonly Ref<M>[] {
    return [...(this.#groups.get(group)?.keys() ?? [])].map((place) => this.#registry.ref<M>(place.path));
  }

  #drop(group: string, place: Place): void {
    const members = this.#groups.get(group);
    if (members?.delete(place) !== true) return;
    this.#memberships -= 1;
    if (members.size === 0) this.#groups.delete(group);
  }
}

class Membership implements LifeWatcher {
  readonly #end: () => void;

  constructor(end: () => void) {
    this.#end = end;
  }

  lifeEnded(): void {
    this.#end();
  }
}
