import type { LifeHook } from '../actors/kernel/life-hook.ts';
import { nodeClock } from '../actors/kernel/node-clock.ts';
import { type Occupant, shutdownMessage } from '../actors/kernel/occupant.ts';
import type { Place } from '../actors/kernel/place.ts';
import type { Clock } from '../actors/kernel/ports.ts';
import type { Lane } from '../actors/kernel/ref.ts';

/** What an injected crash throws. */
export class InjectedFault extends Error {
  override readonly name = 'InjectedFault';

  constructor(path: string) {
    super(`A fault was injected into ${path}.`);
  }
}

/** How a throw escapes the turn of an actor. */
export type Stray = 'timer' | 'promise';

export interface FaultInjectorOptions {
  /** Counts the delays of messages; default the real clock. Of a kernel in virtual time, its own. */
  readonly clock?: Clock;
  /** Lets a slow turn take its time; default: keeps the thread busy for as long. */
  readonly spend?: (ms: number) => void;
}

/** What is wrong at one path, over all its lives until it is cleared. */
interface Orders {
  startsToFail: number;
  stays: boolean;
  readonly lanes: Map<Lane, LaneFault>;
}

interface LaneFault {
  /** Messages that it still concerns. */
  left: number;
  /** Undefined: they are dropped. */
  readonly delayMs: number | undefined;
}

/**
 * Makes the actors of one kernel fail, as bugs and slow machines would: `createNode(config, { ports: { faults:
 * injector.hook } })`, or `createKernel({ faults: injector.hook })`. What it does goes through the actor’s own inbox and
 * turn, so that supervision sees nothing but a failure. Each fault is for one path of the tree; they can be combined.
 *
 * ```ts
 * const faults = new FaultInjector();
 * const node = await createNode(config, { ports: { faults: faults.hook } });
 * faults.crash('/node/cluster/gossip-member');
 * ```
 */
export class FaultInjector {
  readonly #clock: Clock;
  readonly #spend: (ms: number) => void;
  readonly #places = new Map<string, Place>();
  readonly #orders = new Map<string, Orders>();
  /** What is to happen in a turn, by the message that stands for it. */
  readonly #acts = new WeakMap<object, (life: Occupant) => void>();
  /** Delayed messages that are being delivered. */
  readonly #late = new Set<object>();

  constructor({ clock = nodeClock, spend = keepBusy }: FaultInjectorOptions = {}) {
    this.#clock = clock;
    this.#spend = spend;
  }

  /** What the kernel is given. */
  readonly hook: LifeHook = (life, place) => {
    if (this.#places.get(place.path) !== place) this.#guard(place);
    this.#places.set(place.path, place);
    this.#alter(life);
  };

  /** Throws in the next turn of whoever lives there, inside its own logic. False when nobody does. */
  crash(path: string): boolean {
    return this.#inTurn(path, (life, receive) => {
      const error = new InjectedFault(path);
      receive(bomb(error));
      // Its logic did not look at the message: then the turn itself throws.
      if (life.phase !== 'ended') throw error;
    });
  }

  /** Throws from a timer or a promise that the actor started. For a process whose strays are charged to actors. */
  stray(path: string, from: Stray): boolean {
    return this.#inTurn(path, () => {
      const error = new InjectedFault(path);
      if (from === 'promise') void Promise.reject(error);
      else
        setTimeout(() => {
          throw error;
        }, 0);
    });
  }

  /** Ends the life as it is, with everybody below it. */
  kill(path: string): boolean {
    const life = this.#places.get(path)?.occupant;
    life?.kill();
    return life !== undefined;
  }

  /** Its next turn takes that long. */
  slowTurn(path: string, ms: number): boolean {
    return this.#inTurn(path, () => this.#spend(ms));
  }

  /** Its next `times` starts fail, as by a throw in its constructor. */
  failStarts(path: string, times = 1): void {
    this.#ordersOf(path).startsToFail = times;
  }

  /** It does not stop when it is told to: its supervisor has to kill it when its time is over. Supervisors too. */
  refuseToStop(path: string): void {
    this.#ordersOf(path).stays = true;
  }

  /** The next `times` messages to it on this lane are lost; their senders hear nothing. */
  drop(path: string, lane: Lane, times = Number.POSITIVE_INFINITY): void {
    this.#ordersOf(path).lanes.set(lane, { left: times, delayMs: undefined });
  }

  /** The next `times` messages to it on this lane arrive later, by as many milliseconds. */
  delay(path: string, lane: Lane, ms: number, times = Number.POSITIVE_INFINITY): void {
    this.#ordersOf(path).lanes.set(lane, { left: times, delayMs: ms });
  }

  /** Ends what was ordered for a path, or for all. */
  clear(path?: string): void {
    if (path === undefined) this.#orders.clear();
    else this.#orders.delete(path);
  }

  #ordersOf(path: string): Orders {
    const known = this.#orders.get(path);
    if (known !== undefined) return known;
    const orders: Orders = { startsToFail: 0, stays: false, lanes: new Map() };
    this.#orders.set(path, orders);
    return orders;
  }

  /** By a message of its own, so that there is a turn even when nobody else has anything to say. */
  #inTurn(path: string, act: (life: Occupant, receive: (message: object) => void) => void): boolean {
    const place = this.#places.get(path);
    const life = place?.occupant;
    if (place === undefined || life === undefined) return false;
    const message = { type: 'testing.fault' };
    const receive = receivers.get(life);
    this.#acts.set(message, (now) => {
      // Meant for this life and not for its successor.
      if (now === life && receive !== undefined) act(life, receive);
    });
    return place.put(message, 'control').ok;
  }

  #alter(life: Occupant): void {
    const start = life.start.bind(life);
    const receive = life.receive.bind(life);
    receivers.set(life, receive);
    life.start = () => {
      const orders = this.#orders.get(life.path);
      if (orders === undefined || orders.startsToFail === 0) {
        start();
        return;
      }
      orders.startsToFail -= 1;
      life.crash(new InjectedFault(life.path));
    };
    life.receive = (message) => {
      const act = this.#acts.get(message);
      if (act !== undefined) act(life);
      else if (message !== shutdownMessage || this.#orders.get(life.path)?.stays !== true) receive(message);
    };
  }

  /** Stands before the inbox of a place: what comes by way of the user lane, and what by the upper ones. */
  #guard(place: Place): void {
    const { inbox } = place;
    const offer = inbox.offer.bind(inbox);
    const push = inbox.push.bind(inbox);
    inbox.offer = (message, lane) => {
      // An offer for an upper lane is pushed in the end, and comes by here again.
      if (lane === 'user' && this.#held(place.path, lane, message, () => void place.tell(message, lane))) return true;
      return offer(message, lane);
    };
    inbox.push = (message, lane) => {
      if (!this.#held(place.path, lane, message, () => void place.put(message, lane))) push(message, lane);
    };
  }

  /** Whether the message is lost or late; a late one comes again by `deliver`. */
  #held(path: string, lane: Lane, message: object, deliver: () => void): boolean {
    const fault = this.#orders.get(path)?.lanes.get(lane);
    if (fault === undefined || fault.left <= 0 || this.#late.delete(message) || this.#acts.has(message)) return false;
    fault.left -= 1;
    if (fault.delayMs !== undefined)
      this.#clock.setTimeout(() => {
        this.#late.add(message);
        deliver();
        this.#late.delete(message);
      }, fault.delayMs);
    return true;
  }
}

const receivers = new WeakMap<Occupant, (message: object) => void>();

/** An event that throws as soon as somebody asks what it is: inside a chart, a handler or a supervisor. */
const bomb = (error: Error): object => ({
  get type(): string {
    throw error;
  },
});

function keepBusy(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
