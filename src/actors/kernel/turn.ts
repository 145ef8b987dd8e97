import { AsyncLocalStorage } from 'node:async_hooks';
import type { Occupant } from './occupant.ts';

/**
 * Which actor the running code belongs to. Node carries it into every timer, promise, socket and immediate that the
 * actor starts, so that a throw which escapes all supervision can still be charged to its culprit.
 */
const culprits = new AsyncLocalStorage<Occupant>();

/** Runs `body` as a part of this actor. */
export function inTurnOf<A extends unknown[]>(occupant: Occupant, body: (...args: A) => void, ...args: A): void {
  culprits.run(occupant, body, ...args);
}

/** Runs `body` as a part of no actor: for what the kernel does on its own account. */
export function outsideTurns<T>(body: () => T): T {
  return culprits.exit(body);
}

/** As `outsideTurns`, at half the cost, and outside of what an embedder carries along as well: for what is often done. */
export const apart: <A extends unknown[], T>(body: (...args: A) => T, ...args: A) => T = AsyncLocalStorage.snapshot();

/** The life in whose turn, timer or promise this is called; `undefined` outside of all. */
export const occupantOfTurn = (): Occupant | undefined => culprits.getStore();
