import type { AnyActorRef, AnyMachineSnapshot, InspectionEvent } from 'xstate';

/** A transition that a chart, or one of its children, has taken. */
export interface ChartTransition {
  /** Ids from the chart down to the child; empty for the chart itself. */
  readonly child: readonly string[];
  /** State value before; `undefined` at the start. */
  readonly from: unknown;
  readonly to: unknown;
  /**
   * What caused it, such as a message, `xstate.after.…` or `xstate.done.actor.…`; `xstate.init` at the start.
   * Of a handler that says what it is doing: `undefined`.
   */
  readonly event: unknown;
}

export interface TransitionOptions {
  readonly chart: AnyActorRef;
  /** Ids from the chart down to one of its children. */
  readonly childOf: (actor: object) => readonly string[];
  /** Hears of each transition before what follows from it. False: it wants no more. */
  readonly taken: (transition: ChartTransition) => boolean;
  /** The snapshot before the present one, when it begins in the middle of a transition, which is then shown too. */
  readonly before: Pick<AnyMachineSnapshot, 'value'> | undefined;
}

/** Watches a chart through XState’s inspection, which costs something only for charts that are watched. */
export class TransitionWatch {
  readonly #options: TransitionOptions;
  /** The state value of each actor that was seen. */
  readonly #values = new Map<AnyActorRef, unknown>();
  readonly #watching: { unsubscribe(): void };
  #begun: boolean;

  constructor(options: TransitionOptions) {
    this.#options = options;
    const { chart, before } = options;
    this.#begun = before === undefined;
    if (before !== undefined) this.#values.set(chart, before.value);
    this.#watching = chart.system.inspect((event) => this.#hear(event));
  }

  #hear(event: InspectionEvent): void {
    // Said while an actor is being made, when it has no snapshot to be asked for.
    if (event.type === '@xstate.actor') return;
    // Every other kind is about an actor of this system.
    const actor = event.actorRef as AnyActorRef;
    const snapshot = actor.getSnapshot() as Partial<AnyMachineSnapshot> | undefined;
    if (snapshot?.machine === undefined) return;
    if (event.type === '@xstate.microstep') {
      if (event._transitions.length > 0) this.#show(actor, (event.snapshot as AnyMachineSnapshot).value, event.event);
    } else if (event.type === '@xstate.event' && !this.#values.has(actor)) {
      // On its way: the snapshot is the one before it, or the initial one.
      if (event.event.type !== 'xstate.init') this.#values.set(actor, snapshot.value);
      else if (snapshot.status !== 'error') this.#show(actor, snapshot.value, event.event);
    } else if (event.type === '@xstate.snapshot' && !this.#begun && actor === this.#options.chart) {
      this.#show(actor, snapshot.value, event.event);
    }
    this.#begun = true;
  }

  #show(actor: AnyActorRef, to: unknown, event: unknown): void {
    const from = this.#values.get(actor);
    this.#values.set(actor, to);
    if (!this.#options.taken({ child: this.#options.childOf(actor), from, to, event })) this.#watching.unsubscribe();
  }
}
