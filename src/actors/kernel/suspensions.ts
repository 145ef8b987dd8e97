import { limits } from '../../limits.ts';

/**
 * The orders to suspend that are in force, each for the place of its path and everybody below. An order is about a
 * place and not about a life: it holds across restarts, also those of the supervisors above, until it is taken back or
 * the place is forgotten with its spec. So nobody is woken by a crash; what was added to a supervisor at run time is
 * suspended again when it is added again. Orders for a part of a suspended subtree stand beside the outer one.
 */
export class Suspensions {
  readonly #paths = new Set<string>();
  readonly #changed: (path: string) => void;

  /** `changed` hears of each order that is given or taken back, before anybody is told. */
  constructor(changed: (path: string) => void = () => {}) {
    this.#changed = changed;
  }

  /** False when there are too many. Giving an order again is fine. */
  add(path: string): boolean {
    if (this.#paths.size >= limits.suspensionsMax && !this.#paths.has(path)) return false;
    if (this.#paths.has(path)) return true;
    this.#paths.add(path);
    this.#changed(path);
    return true;
  }

  delete(path: string): boolean {
    const known = this.#paths.delete(path);
    if (known) this.#changed(path);
    return known;
  }

  /** The spec of this place is gone: neither it nor anybody below comes back. */
  forget(path: string): void {
    if (this.#paths.size === 0) return;
    for (const each of this.#paths) if (each === path || each.startsWith(`${path}/`)) this.#paths.delete(each);
  }

  /** Whether an order covers the place. */
  cover(path: string): boolean {
    if (this.#paths.size === 0) return false;
    for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
      if (this.#paths.has(path.slice(0, end))) return true;
    }
    return false;
  }

  /** The paths of all orders, in the order in which they were given. */
  list(): readonly string[] {
    return [...this.#paths];
  }
}
