import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isName } from '../../names.ts';
import type { LifeWatcher, Place } from './place.ts';
import type { Ref } from './ref.ts';
import type { Registry } from './registry.ts';

/** Names of lives on this node, as OTP’s `register`: one life a name, free again when that life ends. */
export class ActorNames {
  readonly #registry: Registry;
  readonly #names = new Map<string, NamedLife>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** MALFORMED, ALREADY_EXISTS, STOPPED (nobody lives there), LIMIT_EXCEEDED. */
  register(name: string, ref: Ref<never>): Result<void> {
    if (!isName(name)) return refuse('MALFORMED', 'A name is [a-z0-9][a-z0-9_-]*, at most 63 characters.');
    if (this.#names.has(name)) return refuse('ALREADY_EXISTS', `The name ${name} is taken.`);
    if (this.#names.size >= limits.actorNamesMax)
      return refuse('LIMIT_EXCEEDED', `There are ${limits.actorNamesMax} names already.`);
    const place = this.#registry.find(ref.path);
    const named: NamedLife | undefined = place && new NamedLife(place, () => this.#free(name, named));
    if (named === undefined || !named.place.watch(named)) return refuse('STOPPED', `Nobody lives at ${ref.path}.`);
    this.#names.set(name, named);
    return ok(undefined);
  }

  /** Whose name it is now. */
  whereis<M>(name: string): Ref<M> | undefined {
    const place = this.#names.get(name)?.place;
    return place && this.#registry.ref<M>(place.path);
  }

  /** Frees a name; one that is free already is fine. */
  unregister(name: string): void {
    const named = this.#names.get(name);
    if (named === undefined) return;
    named.place.unwatch(named);
    this.#names.delete(name);
  }

  #free(name: string, named: NamedLife | undefined): void {
    if (this.#names.get(name) === named) this.#names.delete(name);
  }
}

class NamedLife implements LifeWatcher {
  readonly place: Place;
  readonly #free: () => void;

  constructor(place: Place, free: () => void) {
    this.place = place;
    this.#free = free;
  }

  lifeEnded(): void {
    this.#free();
  }
}
