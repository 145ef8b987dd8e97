/** How work is put off; none of it runs on the caller’s stack. */
export type Defer = (work: () => void) => void;

/** The part of the event loop that the scheduler needs. */
export interface EventLoop {
  /** In a later round, after timers and sockets have had theirs. */
  readonly later: Defer;
  /** In this round, after the promises that are settled already; absent: the scheduler always waits for a round. */
  readonly soon?: Defer;
  /** When this round’s promises have all been run. */
  readonly settled?: Defer;
}

const settled = Promise.resolve();

/** Node’s own. */
export const nodeLoop: EventLoop = {
  later: (work) => void setImmediate(work),
  // Half the cost of `queueMicrotask`, which makes an async resource of each.
  soon: (work) => void settled.then(work),
  // Ticks run when no promise is left to run; asked for by a promise, because this round’s ticks come before them.
  settled: (work) => queueMicrotask(() => process.nextTick(work)),
};
