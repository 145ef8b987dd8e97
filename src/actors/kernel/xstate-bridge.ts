import { type AnyActorLogic, type AnyActorRef, type AnyMachineSnapshot, createActor } from 'xstate';
import type { Refusal, Result } from '../../errors.ts';
import type { Clock } from './ports.ts';
import type { Ref } from './ref.ts';

/**
 * The only file that relies on how XState works inside; its test fails when an upgrade changes any of it.
 *
 * Each worker is the root of an XState system of its own. So an error comes with the very actor that threw it and not
 * as an event that carries only an id; a chart has no `sendParent` to forge its siblings’ events with; a stop walks
 * the actor’s own timers only (XState’s `cancelAll` walks those of the whole system); and everybody registered in the
 * system, the root apart, is a descendant of this worker and can be stopped with it.
 */

/** Who hears what becomes of a hosted actor. Called on the stack where it happens. */
export interface Host {
  /** It threw, or an error that nobody handled reached it. */
  failed(error: unknown): void;
  /** It reached a final state (`done`) or stopped itself. */
  finished(how: 'done' | 'stopped'): void;
  /** A new snapshot, the first included; only called when asked for. */
  changed(snapshot: AnyMachineSnapshot): void;
}

export interface HostOptions {
  readonly id: string;
  readonly input: unknown;
  /** Drives `after` and delayed sends. */
  readonly clock: Clock;
  /** Whether to call `changed` for plain logic too; for machines it is always called. */
  readonly watched: boolean;
}

/** What XState calls on the target of `sendTo`, on the sender’s stack. */
interface Inlet {
  _send(event: object): void;
}

/** The part of XState’s actor system that tells who was started and stopped in it. */
interface SystemInternals {
  _register(sessionId: string, actor: DescendantInternals): string;
  _unregister(actor: DescendantInternals): void;
}

/** XState’s own stop; the public `stop()` refuses anybody but a root. */
interface DescendantInternals {
  _stop(): unknown;
}

/**
 * Base of the kernel’s refs: makes `sendTo(ref, event)` in a chart, and `enqueue.sendTo`, put the event into the
 * inbox instead of running the receiver on the sender’s stack.
 */
export abstract class SendToTarget implements Inlet {
  protected abstract deliver(message: object): Result<void>;
  /** A message was refused and its sender cannot be told. */
  protected abstract lost(message: object, refusal: Refusal): void;

  _send(event: object): void {
    const result = this.deliver(event);
    if (!result.ok) this.lost(event, result.refusal);
  }
}

/** A kernel ref in the type that XState’s `sendTo` asks for. Only good for sending: it has no snapshot. */
export function sendTarget<M>(ref: Ref<M>): AnyActorRef {
  if (!(ref instanceof SendToTarget)) throw new Error(`${ref.path} is not a ref of a kernel`);
  return ref as unknown as AnyActorRef;
}

/** An XState actor that lives in the kernel. */
export class HostedActor {
  readonly #actor: AnyActorRef;
  readonly #host: Host;
  /** Started descendants in start order; made when the first one comes. */
  #descendants: Set<DescendantInternals> | undefined;

  /** Makes the actor without starting it. Throws only what `createActor` throws for a wrong logic. */
  constructor(logic: AnyActorLogic, options: HostOptions, host: Host) {
    this.#host = host;
    const actor = createActor(logic, { id: options.id, input: options.input, clock: options.clock, logger: silent });
    this.#actor = actor;
    this.#followDescendants(actor as unknown as DescendantInternals, actor.system as unknown as SystemInternals);
    const isMachine = (actor.getSnapshot() as Partial<AnyMachineSnapshot> | undefined)?.machine !== undefined;
    const changed = (snapshot: AnyMachineSnapshot): void => host.changed(snapshot);
    actor.subscribe({
      ...(isMachine || options.watched ? { next: changed } : {}),
      // Without this observer XState would throw the error again from a timer, as an uncaught exception.
      error: (error: unknown) => this.#failed(error),
      complete: () => this.#completed(),
    });
  }

  /** Runs entry actions and starts invoked actors. Errors go to the host, also those of the initial transition. */
  start(): void {
    this.#actor.start();
  }

  /** Handles one message on this stack. */
  send(message: object): void {
    this.#actor.send(message as Parameters<AnyActorRef['send']>[0]);
  }

  /** Stops it and all its descendants where they are; no exit actions run. The host may still hear `finished`. */
  stop(): void {
    try {
      this.#actor.stop?.();
    } catch {
      // It refuses to stop; it gets no more messages, and its descendants stop below.
    }
    this.#stopDescendants();
  }

  /** The chart’s state value; `undefined` for plain logic. */
  stateValue(): unknown {
    return (this.#actor.getSnapshot() as Partial<AnyMachineSnapshot> | undefined)?.value;
  }

  #followDescendants(root: DescendantInternals, system: SystemInternals): void {
    const register = system._register;
    const unregister = system._unregister;
    system._register = (sessionId, actor) => {
      if (actor !== root) {
        this.#descendants ??= new Set();
        this.#descendants.add(actor);
      }
      return register(sessionId, actor);
    };
    system._unregister = (actor) => {
      this.#descendants?.delete(actor);
      unregister(actor);
    };
  }

  #failed(error: unknown): void {
    // A machine that crashes leaves the actors that it invoked and spawned running.
    this.#stopDescendants();
    this.#host.failed(error);
  }

  #completed(): void {
    const status = (this.#actor.getSnapshot() as { status?: unknown } | undefined)?.status;
    this.#stopDescendants();
    this.#host.finished(status === 'done' ? 'done' : 'stopped');
  }

  #stopDescendants(): void {
    if (this.#descendants === undefined) return;
    for (const descendant of [...this.#descendants].reverse()) {
      try {
        descendant._stop();
      } catch {
        // One that throws while stopping must not save the others from it.
      }
    }
  }
}

/** XState logs to the console by default, which belongs to the command line’s output. */
const silent = (): void => {};
