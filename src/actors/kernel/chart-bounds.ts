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

/** The part of a machine that says how far one event may take it. */
interface MachineInternals {
  readonly options: { maxIterations?: number };
  readonly implementations: { readonly actors: Readonly<Record<string, AnyActorLogic>> };
}

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
