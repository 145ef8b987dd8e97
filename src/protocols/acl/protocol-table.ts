import type { Performative } from './performative.ts';

export type Role = 'initiator' | 'participant';

/** The one at the other end. */
const otherRole = (role: Role): Role => (role === 'initiator' ? 'participant' : 'initiator');

export interface Transition {
  readonly from: string;
  readonly act: Performative;
  readonly by: Role;
  readonly to: string;
}

/**
 * A FIPA interaction protocol between one initiator and one participant, as a transition table. Charts for people are
 * generated from it (`toMermaid`), and both ends of a conversation are held to it.
 */
export interface ProtocolTable {
  /** FIPA’s name, as the header’s `protocol` field carries it. */
  readonly name: string;
  readonly initial: string;
  readonly transitions: readonly Transition[];
  /** States in which nothing more is expected. */
  readonly final: ReadonlySet<string>;
}

/**
 * A table of its own acts, with the two exceptions that every FIPA protocol has (such as SC00026H §1.2):
 *
 * - whoever was spoken to may say `not-understood`, which ends it;
 * - the initiator may `cancel` what has begun; then the participant says that it has ended (`inform`), or that it could not
 *   be (`failure`). What it had said before it heard of that may still come: an `inform` counts as the end, too.
 */
export function protocolOf(name: string, own: readonly Transition[], ends: readonly string[]): ProtocolTable {
  const initial = own[0]!.from;
  const open = [...new Set(own.flatMap(({ from, to }) => [from, to]))].filter(
    (state) => state !== initial && !ends.includes(state),
  );
  const notUnderstood = open.flatMap((from) => {
    const spoke = new Set(own.filter(({ to }) => to === from).map(({ by }) => by));
    return [...spoke].map((by) => step(from, otherRole(by), 'not-understood', 'not-understood'));
  });
  const cancels = open.map((from) => step(from, 'initiator', 'cancel', 'cancelling'));
  return {
    name,
    initial,
    transitions: [
      ...own,
      ...notUnderstood,
      ...cancels,
      step('cancelling', 'participant', 'inform', 'cancelled'),
      step('cancelling', 'participant', 'failure', 'failed'),
      step('cancelling', 'participant', 'not-understood', 'not-understood'),
    ],
    final: new Set([...ends, 'not-understood', 'cancelled', 'failed']),
  };
}

/** One line of a table. */
export const step = (from: string, by: Role, act: Performative, to: string): Transition => ({ from, act, by, to });

/** What one role does or hears in a state: its side of a transition. */
export interface ProjectedTransition {
  readonly from: string;
  readonly does: 'sends' | 'receives';
  readonly act: Performative;
  readonly to: string;
}

/** A table as one role sees it: what it may send, and what it has to expect. */
export const projected = (table: ProtocolTable, role: Role): readonly ProjectedTransition[] =>
  table.transitions.map(({ from, act, by, to }) => ({ from, does: by === role ? 'sends' : 'receives', act, to }));
