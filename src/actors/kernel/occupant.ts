import { limits } from '../../limits.ts';
import type { ExitReason } from '../../protocols/restart.ts';
import type { Shutdown } from './ref.ts';

/** How a life ended. */
export interface Exit {
  readonly reason: ExitReason;
  /** What was thrown, or why a supervisor gave up or could not start. */
  readonly error?: unknown;
  /** The term of OTP’s `{shutdown, Term}`: what an actor says about its own orderly end. */
  readonly detail?: unknown;
}

/** The end of a life that was not asked, as OTP’s `exit(Pid, kill)`. */
export const killed: Exit = Object.freeze({ reason: 'killed' });

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
  /** Ends it as it is, with everything below it; nobody is asked. `exit` is how it ends, by default `killed`. */
  kill(exit?: Exit): void;
  /** What it is doing, for people. */
  state(): unknown;
  /** It was told to shut down: an order to suspend that comes later is for its successor, as in OTP. */
  readonly departing?: boolean;
  /** Its place was suspended: it does nothing by itself until it receives `resumeMessage`. */
  hold?(): void;
}

/** Who hears what becomes of a life. Called on the stack where it happened, so it must only take note. */
export interface Parent {
  childStarted(occupant: Occupant): void;
  childEnded(occupant: Occupant, exit: Exit): void;
}

/** One object for all, so that an inbox can take back by identity what a life no longer needs. */
export const shutdownMessage: Shutdown = Object.freeze({ type: 'kernel.shutdown' });

/** Its place is no longer suspended, which the next messages show, and what it has put off may happen. */
export const resumeMessage = Object.freeze({ type: 'kernel.resume' });

/** The reason of an end as a sentence without a stack. What was thrown may be anything, so no look at it is safe. */
export function describe({ reason, error }: Exit): string {
  if (error === undefined) return `it ended (${reason}).`;
  try {
    return String(error instanceof Error ? error.message : error).slice(0, limits.reasonCharsMax);
  } catch {
    return 'it threw something that cannot be shown.';
  }
}
