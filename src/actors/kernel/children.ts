import type { RestartChild } from '../../protocols/restart.ts';
import { Child, type ChildStatus, type Owner } from './child.ts';
import type { Message, Ref } from './ref.ts';
import type { Runtime } from './runtime.ts';
import type { ChildSpec } from './spec.ts';

/** One child as `whichChildren` shows it. */
export interface ChildView {
  readonly id: string;
  readonly kind: 'worker' | 'supervisor';
  readonly status: ChildStatus;
  readonly ref: Ref<Message>;
}

/** What `countChildren` answers, as OTP’s `count_children`. */
export interface ChildCounts {
  /** Specs; the template of simple-one-for-one is one, however many instances it has. */
  readonly specs: number;
  /** Those with a life. */
  readonly active: number;
  /** Supervisors, whether they live or not. */
  readonly supervisors: number;
  /** Workers, whether they live or not. */
  readonly workers: number;
}

/**
 * The children of one life of a supervisor, in start order, whether they live or not. A `Map`, because XState’s own
 * `spawnChild` copies them all at each change.
 */
export class Children implements Iterable<Child> {
  readonly #runtime: Runtime;
  readonly #path: string;
  readonly #owner: Owner;
  readonly #byId = new Map<string, Child>();

  /** `path` of the supervisor. */
  constructor(runtime: Runtime, path: string, owner: Owner) {
    this.#runtime = runtime;
    this.#path = path;
    this.#owner = owner;
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): Child | undefined {
    return this.#byId.get(id);
  }

  /** Whether this very child is still among them: another may have taken its id. */
  has(child: Child): boolean {
    return this.#byId.get(child.id) === child;
  }

  [Symbol.iterator](): Iterator<Child> {
    return this.#byId.values();
  }

  /** In the order in which they are stopped: right to left. */
  reversed(): readonly Child[] {
    return [...this.#byId.values()].reverse();
  }

  /** Makes a place for a child, without a life, to the right of all others. */
  adopt(spec: ChildSpec): Child {
    const child = new Child(this.#runtime, spec, this.#path, this.#owner);
    this.#byId.set(spec.id, child);
    return child;
  }

  /** Drops the spec and the place of a child that has no life. */
  forget(child: Child): void {
    if (!this.has(child)) return;
    this.#byId.delete(child.id);
    this.#runtime.suspensions.forget(child.place.path);
    this.#runtime.registry.remove(child.place);
  }

  /** As the rules of restart see them. */
  forRules(): readonly RestartChild[] {
    return [...this.#byId.values()].map(forRules);
  }

  /** Whether a significant child other than this one runs or is being restarted. */
  othersSignificant(than: Child): boolean {
    for (const child of this.#byId.values()) {
      if (child !== than && child.active && child.spec.significant === true) return true;
    }
    return false;
  }

  views(): readonly ChildView[] {
    return [...this.#byId.values()].map((child) => ({
      id: child.id,
      kind: child.spec.kind,
      status: child.status,
      ref: this.#runtime.registry.ref<Message>(child.place.path),
    }));
  }

  /** `specs`: how many there are, if not one for each child. */
  counts(specs = this.#byId.size): ChildCounts {
    let active = 0;
    let supervisors = 0;
    for (const { occupant, spec } of this.#byId.values()) {
      if (occupant !== undefined && occupant.phase !== 'ended') active += 1;
      if (spec.kind === 'supervisor') supervisors += 1;
    }
    return { specs, active, supervisors, workers: this.#byId.size - supervisors };
  }
}

/** A child as the rules of restart see it. */
export function forRules({ id, spec }: Child): RestartChild {
  return { id, restart: spec.restart ?? 'permanent', significant: spec.significant ?? false };
}
