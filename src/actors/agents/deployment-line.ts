import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { nodeLoop } from '../kernel/event-loop.ts';
import { Ring } from '../kernel/ring.ts';
import { outsideTurns } from '../kernel/turn.ts';

/**
 * Where deployments and removals wait for their turn: ten thousand that are asked for at once must neither fill the
 * audit log’s queue nor keep the event loop from links and timers while they are all signed. Some begin in each round
 * of the event loop, and so many are under way that their records and writes share the waits for the disk.
 */
export class DeploymentLine {
  readonly #waiting = new Ring<(entered: Result<void>) => void>();
  #underWay = 0;
  #leftInRound: number = limits.deploymentsPerRoundMax;
  #armed = false;
  #closed = false;

  /** Does the work when its turn has come. STOPPED and LIMIT_EXCEEDED: it was not begun. */
  async run<T>(work: () => Promise<Result<T>>): Promise<Result<T>> {
    const entered = await this.#enter();
    if (!entered.ok) return entered;
    try {
      return await work();
    } finally {
      this.#underWay -= 1;
      this.#admit();
    }
  }

  /** Refuses who waits and who comes; what is under way goes on. */
  close(): void {
    this.#closed = true;
    for (let resolve = this.#waiting.shift(); resolve; resolve = this.#waiting.shift()) resolve(stopping);
  }

  #enter(): Promise<Result<void>> {
    if (this.#closed) return Promise.resolve(stopping);
    if (this.#waiting.length >= limits.agentsMax)
      return Promise.resolve(
        refuse('LIMIT_EXCEEDED', `${limits.agentsMax} deployments and removals wait here already: try again later.`),
      );
    // Whoever waits goes on in its own name: a promise keeps apart which actor asked.
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#admit();
    });
  }

  #admit(): void {
    while (this.#underWay < limits.deploymentsAtOnceMax && this.#waiting.length > 0) {
      this.#arm();
      if (this.#leftInRound === 0) return;
      this.#leftInRound -= 1;
      this.#underWay += 1;
      this.#waiting.shift()?.(ok(undefined));
    }
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    // Of no actor, even when an agent deploys others.
    outsideTurns(() =>
      nodeLoop.later(() => {
        this.#armed = false;
        this.#leftInRound = limits.deploymentsPerRoundMax;
        this.#admit();
      }),
    );
  }
}

const stopping = refuse('STOPPED', 'The node is stopping: it deploys and removes nothing any more.');
