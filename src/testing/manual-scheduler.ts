import type { Random } from '../actors/kernel/ports.ts';
import type { Turns, TurnTaker } from '../actors/kernel/scheduler.ts';
import { drawPart } from './seeded-random.ts';

/**
 * Gives turns only when told to, each of one message. Without chance whoever has waited longest is next; with it any
 * of those that are ready, so that every seed is another order that a real run could have had as well.
 */
export class ManualScheduler implements Turns {
  readonly #now: () => number;
  readonly #random: Random | undefined;
  #ready: TurnTaker[] = [];
  #given = 0;
  #inTurn = false;

  /** `now`: monotonic milliseconds. `random` draws who is next. */
  constructor(now: () => number, random?: Random) {
    this.#now = now;
    this.#random = random;
  }

  /** Paths of those that have something to do, longest waiting first. */
  get waiting(): readonly string[] {
    return this.#ready.map(({ path }) => path);
  }

  /** Turns given so far. */
  get given(): number {
    return this.#given;
  }

  ready(taker: TurnTaker): void {
    if (taker.queued) return;
    taker.queued = true;
    this.#ready.push(taker);
  }

  get roundTime(): number {
    return this.#now();
  }

  afterRound(): boolean {
    return false;
  }

  /**
   * Gives one turn: lets one actor, or the one at `path`, handle one message on this stack. False when nobody, or not
   * that one, is ready. Throws when it is called from within a turn.
   */
  step(path?: string): boolean {
    if (this.#inTurn) throw new Error('An actor cannot give turns: its own is not over.');
    const at = path === undefined ? this.#draw() : this.#ready.findIndex((taker) => taker.path === path);
    const [taker] = at < 0 ? [] : this.#ready.splice(at, 1);
    if (taker === undefined) return false;
    this.#given += 1;
    this.#inTurn = true;
    try {
      // A deadline that is over before it begins: one message and no more.
      taker.takeTurn(Number.NEGATIVE_INFINITY);
    } finally {
      this.#inTurn = false;
      if (taker.occupied && taker.inbox.waiting > 0) this.#ready.push(taker);
      else taker.queued = false;
    }
    return true;
  }

  #draw(): number {
    return this.#random === undefined ? 0 : Math.floor(drawPart(this.#random) * this.#ready.length);
  }
}
