import { types } from 'node:util';
import type { AnyActorLogic } from 'xstate';
import { limits } from '../../limits.ts';
import { shutdownMessage } from './occupant.ts';

/**
 * What XState may be given: it looks at `type` again and again, and takes a text of its own for an order. A message may
 * have changed since it was told, and a getter or a proxy answers each look as it likes.
 */
export function isEvent(message: object): boolean {
  if (types.isProxy(message)) return false;
  const type: unknown = Object.getOwnPropertyDescriptor(message, 'type')?.value;
  if (typeof type !== 'string' || type.startsWith('xstate.')) return false;
  return type !== shutdownMessage.type || message === shutdownMessage;
}

/** Types of events that a machine has been given. */
interface HeardTypes {
  readonly names: Set<string>;
  readonly namesMax: number;
}

const heardTypes = new WeakMap<AnyActorLogic, HeardTypes>();
/** The same type comes again and again: then nothing is looked up. */
let lastLogic: AnyActorLogic | undefined;
let lastType: string | undefined;

/**
 * Whether this logic may be given an event of this type. XState keeps, for as long as the machine is there, each type
 * that any of its states was ever asked about; whoever chooses the types could fill the memory. Of those that the machine
 * names there is an end; of the others so many are let in, and no long ones.
 */
export function mayHear(logic: AnyActorLogic, type: string): boolean {
  if (logic === lastLogic && type === lastType) return true;
  if ((logic as Partial<MachineInternals>).root !== undefined && !hasRoomFor(logic, type)) return false;
  lastLogic = logic;
  lastType = type;
  return true;
}

function hasRoomFor(logic: AnyActorLogic, type: string): boolean {
  let heard = heardTypes.get(logic);
  if (heard === undefined) {
    const names = new Set((logic as unknown as MachineInternals).events);
    heard = { names, namesMax: names.size + limits.chartEventTypesMax };
    heardTypes.set(logic, heard);
  }
  if (heard.names.has(type)) return true;
  if (heard.names.size >= heard.namesMax || type.length > limits.chartEventTypeCharsMax) return false;
  heard.names.add(type);
  return true;
}

/** The part of a machine that says what it names, and how far one event may take it. */
interface MachineInternals {
  readonly root: StateInternals;
  /** What any of its states names in `on`. */
  readonly events: readonly string[];
  readonly options: { maxIterations?: number };
  readonly implementations: { readonly actors: Readonly<Record<string, AnyActorLogic>> };
}

/** The part of a state that says which events it names, be it to do nothing. */
interface StateInternals {
  readonly config: { readonly on?: Readonly<Record<string, unknown>> };
  readonly states: Readonly<Record<string, StateInternals>>;
}

/**
 * Whether some state of this logic names the order to shut down, by a wildcard too. A machine that does not can heed it
 * only there and then, in the guard of a transition without an event; if none lets it move, it would go on as if nothing
 * had been said until its time is over. Of other logic nobody can tell: true.
 */
export function namesShutdown(logic: AnyActorLogic): boolean {
  const { root } = logic as { readonly root?: StateInternals };
  return root === undefined || isNamedIn(root);
}

const isNamedIn = ({ config, states }: StateInternals): boolean =>
  Object.keys(config.on ?? {}).some((name) => name === '*' || name.startsWith('kernel.')) ||
  Object.values(states).some(isNamedIn);

/**
 * A chart that goes round by itself (`always`, `raise`) holds up the whole process, and nobody could stop it: bounds the microsteps of one
 * event, of the machine and of those that it names.
 */
export function boundSteps(logic: AnyActorLogic, seen: Set<AnyActorLogic> = new Set()): void {
  const { options, implementations } = logic as Partial<MachineInternals>;
  if (options === undefined || seen.has(logic)) return;
  seen.add(logic);
  if (options.maxIterations === Number.POSITIVE_INFINITY) options.maxIterations = limits.chartStepsMax;
  for (const below of Object.values(implementations?.actors ?? {})) boundSteps(below, seen);
}
