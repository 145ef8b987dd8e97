import type { Occupant } from './occupant.ts';
import type { Place } from './place.ts';

/**
 * Is shown each life with its place before it begins, and may change how both behave. Only the testing kit has one
 * (`FaultInjector`); a kernel without it has no other code in any turn, and no setting of a node turns it on.
 */
export type LifeHook = (life: Occupant, place: Place) => void;
