import type { Performative } from './performative.ts';

export type Role = 'initiator' | 'participant';

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

const step = (from: string, by: Role, act: Performative, to: string): Transition => ({ from, act, by, to });

/** FIPA Request (SC00026H). */
export const request: ProtocolTable = {
  name: 'fipa-request',
  initial: 'start',
  transitions: [
    step('start', 'initiator', 'request', 'requested'),
    step('requested', 'participant', 'refuse', 'refused'),
    step('requested', 'participant', 'not-understood', 'refused'),
    step('requested', 'participant', 'agree', 'agreed'),
    // The agreement may be left out when the answer is at hand.
    step('requested', 'participant', 'inform', 'done'),
    step('requested', 'participant', 'failure', 'failed'),
    step('agreed', 'participant', 'inform', 'done'),
    step('agreed', 'participant', 'failure', 'failed'),
    step('requested', 'initiator', 'cancel', 'cancelled'),
    step('agreed', 'initiator', 'cancel', 'cancelled'),
    step('cancelled', 'participant', 'inform', 'done'),
    step('cancelled', 'participant', 'failure', 'failed'),
  ],
  final: new Set(['refused', 'done', 'failed']),
};

/** FIPA Contract Net (SC00029H), as it looks between the initiator and one participant. */
export const contractNet: ProtocolTable = {
  name: 'fipa-contract-net',
  initial: 'start',
  transitions: [
    step('start', 'initiator', 'cfp', 'called'),
    step('called', 'participant', 'refuse', 'refused'),
    step('called', 'participant', 'not-understood', 'refused'),
    step('called', 'participant', 'propose', 'proposed'),
    step('proposed', 'initiator', 'reject-proposal', 'rejected'),
    step('proposed', 'initiator', 'accept-proposal', 'accepted'),
    step('accepted', 'participant', 'inform', 'done'),
    step('accepted', 'participant', 'failure', 'failed'),
    step('called', 'initiator', 'cancel', 'cancelled'),
    step('proposed', 'initiator', 'cancel', 'cancelled'),
    step('accepted', 'initiator', 'cancel', 'cancelled'),
    step('cancelled', 'participant', 'inform', 'done'),
    step('cancelled', 'participant', 'failure', 'failed'),
  ],
  final: new Set(['refused', 'rejected', 'done', 'failed']),
};

const tables = new Map([request, contractNet].map((table) => [table.name, table]));

/** The table of a protocol; undefined for one that this version does not know, which is then not enforced. */
export const protocolTable = (name: string): ProtocolTable | undefined => tables.get(name);
