import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Exit } from './occupant.ts';
import type { LifeWatcher, Place } from './place.ts';
import type { Ref } from './ref.ts';
import type { Registry } from './registry.ts';
import type { RemoteNodes } from './remote-nodes.ts';
import { outsideTurns } from './turn.ts';

/** What a watcher gets, once, on the supervision lane. */
export interface Down {
  readonly type: 'kernel.down';
  readonly monitor: Monitor;
  /** The address of whose life has ended. */
  readonly path: string;
  /** How it ended; `no-actor`: there was nobody; `node-lost`: its node cannot be reached; `refused`: it is not for us to know. */
  readonly reason: string;
  /** What it crashed with; never from another node. */
  readonly error?: unknown;
}

/** A watch over one life at one place. */
export interface Monitor {
  readonly path: string;
  /** Fires no more. `flush`: what it fired already is taken out of the watcher’s inbox, unless it has been read. */
  cancel(options?: { readonly flush?: boolean }): void;
}

/** Who watches: the life of an actor, which ends its watch with it, or a function of a program’s own. */
export type Watcher = Ref<never> | ((down: Down) => void);

/**
 * Watches over lives, as OTP’s monitors: each fires exactly once, with the reason, when the life ends or its node is
 * lost, and at once when there is none. A watch ends with its watcher’s life, so that nothing is left behind.
 */
export class Monitors {
  readonly #registry: Registry;
  readonly #remote: RemoteNodes | undefined;
  /** How many each life holds; `undefined` is the program’s own. */
  readonly #held = new Map<Place | undefined, number>();

  /** `remote`: the other nodes, when there is a transport. */
  constructor(registry: Registry, remote: RemoteNodes | undefined) {
    this.#registry = registry;
    this.#remote = remote;
  }

  /** Watches held. */
  get size(): number {
    return [...this.#held.values()].reduce((sum, held) => sum + held, 0);
  }

  /**
   * STOPPED: the watcher itself is not alive here; NOT_SUPPORTED: it is a supervisor, which takes no messages;
   * LIMIT_EXCEEDED: it holds `limits.monitorsMax` already.
   */
  monitor(target: Ref<never>, watcher: Watcher): Result<Monitor> {
    const place = typeof watcher === 'function' ? undefined : this.#registry.find(watcher.path);
    if (typeof watcher !== 'function' && place?.occupied !== true)
      return refuse('STOPPED', `Nobody lives at ${watcher.path} who could watch.`);
    if (place?.kind === 'supervisor')
      return refuse('NOT_SUPPORTED', `${place.path} is a supervisor: it takes no messages, so it cannot watch.`);
    const held = this.#held.get(place) ?? 0;
    if (held >= limits.monitorsMax)
      return refuse('LIMIT_EXCEEDED', `A watcher holds at most ${limits.monitorsMax} monitors.`);
    this.#held.set(place, held + 1);
    const release = (): void => this.#release(place);
    const deliver = typeof watcher === 'function' ? laterTo(watcher) : putInto(place);
    const monitor = new LifeMonitor(target.path, place, deliver, release);
    place?.watch(monitor);
    const remote = this.#remote?.monitor(target.path, (reason) => monitor.fire(reason, undefined));
    if (remote !== undefined) monitor.watches(remote);
    else {
      const local = this.#registry.find(target.path);
      if (local?.watch(monitor) === true) monitor.watches(() => local.unwatch(monitor));
      else monitor.fire('no-actor', undefined);
    }
    return ok(monitor);
  }

  #release(place: Place | undefined): void {
    const held = (this.#held.get(place) ?? 0) - 1;
    if (held > 0) this.#held.set(place, held);
    else this.#held.delete(place);
  }
}

/** A program’s function is not called on the stack where a life ends: what it throws is nobody’s crash. */
const laterTo =
  (watcher: (down: Down) => void) =>
  (down: Down): void =>
    outsideTurns(() => queueMicrotask(() => watcher(down)));

const putInto =
  (place: Place | undefined) =>
  (down: Down): void =>
    void place?.put(down, 'supervision');

const fired = new WeakSet<object>();

/** Whether a message is the news of a monitor; meant for one life, and nothing to its successor. */
export const isDown = (message: object): boolean => fired.has(message);

class LifeMonitor implements Monitor, LifeWatcher {
  readonly path: string;
  readonly #watcher: Place | undefined;
  readonly #deliver: (down: Down) => void;
  readonly #release: () => void;
  #unwatch: (() => void) | undefined;
  #down: Down | undefined;
  #over = false;

  constructor(path: string, watcher: Place | undefined, deliver: (down: Down) => void, release: () => void) {
    this.path = path;
    this.#watcher = watcher;
    this.#deliver = deliver;
    this.#release = release;
  }

  /** How the watch over the target is taken off. */
  watches(unwatch: () => void): void {
    // It may have fired while it was being set.
    if (this.#over) unwatch();
    else this.#unwatch = unwatch;
  }

  lifeEnded(place: Place, exit: Exit): void {
    if (place === this.#watcher) this.#end();
    else this.fire(exit.reason, exit.error);
  }

  fire(reason: string, error: unknown): void {
    if (this.#over) return;
    this.#end();
    const down: Down = { type: 'kernel.down', monitor: this, path: this.path, reason, error };
    fired.add(down);
    this.#down = down;
    this.#deliver(down);
  }

  cancel({ flush = false }: { readonly flush?: boolean } = {}): void {
    this.#end();
    if (flush && this.#down !== undefined)
      this.#watcher?.inbox.withdraw((message) => message === this.#down, 'supervision');
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#release();
    this.#watcher?.unwatch(this);
    this.#unwatch?.();
    this.#unwatch = undefined;
  }
}
