import type { ExitReason } from '../../protocols/restart.ts';
import type { Shutdown } from './ref.ts';

/** How a life ended. `error` is what was thrown, or why a supervisor gave up. */
export interface Exit {
  readonly reason: ExitReason;
  readonly error?: unknown;
}

/** One life at one place of the tree: a worker or a supervisor. A restart makes a new one. */
export interface Occupant {
  readonly path: string;
  /** 1 for the first life at its place. */
  readonly incarnation: number;
  readonly phase: 'starting' | 'running' | 'ended';
  /** Set once it has ended. */
  readonly exit: Exit | undefined;
  /** Begins the life; never throws. Afterwards `phase` tells what came of it, or the parent hears later. */
  start(): void;
  /** Handles one message. A throw is charged to this actor. */
  receive(message: object): void;
  /** Ends it as crashed: an error that surfaced outside its own turns. Nothing happens when it has ended already. */
  crash(error: unknown): void;
  /** Ends it as it is, with everything below it. */
  kill(): void;
  /** What it is doing, for people. */
  state(): unknown;
}

/** Who hears what becomes of a life. Called on the stack where it happened, so it must only take note. */
export interface Parent {
  childStarted(occupant: Occupant): void;
  childEnded(occupant: Occupant, exit: Exit): void;
}

/** One object for all, so that an inbox can take back by identity what a life no longer needs. */
export const shutdownMessage: Shutdown = Object.freeze({ type: 'kernel.shutdown' });
