import { type ProtocolTable, protocolOf, step, type Transition } from './protocol-table.ts';

/** Refused, or agreed to: an agreement may be left out when the answer is at hand. */
const answers = (asked: string): readonly Transition[] => [
  step(asked, 'participant', 'refuse', 'refused'),
  step(asked, 'participant', 'agree', 'agreed'),
];

const results = (from: string): readonly Transition[] => [
  step(from, 'participant', 'inform', 'done'),
  step(from, 'participant', 'failure', 'failed'),
];

/** FIPA Request (SC00026H). */
export const request = protocolOf(
  'fipa-request',
  [
    step('start', 'initiator', 'request', 'requested'),
    ...answers('requested'),
    ...results('requested'),
    ...results('agreed'),
  ],
  ['refused', 'done', 'failed'],
);

/** FIPA Query (SC00027H): whether something is so, or what it is. */
export const query = protocolOf(
  'fipa-query',
  [
    step('start', 'initiator', 'query-if', 'asked'),
    step('start', 'initiator', 'query-ref', 'asked'),
    ...answers('asked'),
    ...results('asked'),
    ...results('agreed'),
  ],
  ['refused', 'done', 'failed'],
);

/** FIPA Propose (SC00036H): the initiator would do something, if the participant wants it. */
export const propose = protocolOf(
  'fipa-propose',
  [
    step('start', 'initiator', 'propose', 'proposed'),
    step('proposed', 'participant', 'accept-proposal', 'accepted'),
    step('proposed', 'participant', 'reject-proposal', 'rejected'),
  ],
  ['accepted', 'rejected'],
);

const bids: readonly Transition[] = [
  step('start', 'initiator', 'cfp', 'called'),
  step('called', 'participant', 'refuse', 'refused'),
  step('called', 'participant', 'propose', 'proposed'),
  step('proposed', 'initiator', 'reject-proposal', 'rejected'),
  step('proposed', 'initiator', 'accept-proposal', 'accepted'),
  ...results('accepted'),
];
const bidsEnd = ['refused', 'rejected', 'done', 'failed'];

/** FIPA Contract Net (SC00029H), as it looks between the initiator and one participant. */
export const contractNet = protocolOf('fipa-contract-net', bids, bidsEnd);

/** FIPA Iterated Contract Net (SC00030H): a proposal may be answered with another call. */
export const iteratedContractNet = protocolOf(
  'fipa-iterated-contract-net',
  [...bids, step('proposed', 'initiator', 'cfp', 'called')],
  bidsEnd,
);

/** FIPA Subscribe (SC00035H): results come until one side ends it, the initiator with `cancel`. */
export const subscribe = protocolOf(
  'fipa-subscribe',
  [
    step('start', 'initiator', 'subscribe', 'asked'),
    step('asked', 'participant', 'refuse', 'refused'),
    step('asked', 'participant', 'agree', 'subscribed'),
    step('asked', 'participant', 'inform', 'subscribed'),
    step('asked', 'participant', 'failure', 'failed'),
    step('subscribed', 'participant', 'inform', 'subscribed'),
    step('subscribed', 'participant', 'failure', 'failed'),
    // Several may have been under way when the initiator cancelled.
    step('cancelled', 'participant', 'inform', 'cancelled'),
  ],
  ['refused', 'failed', 'cancelled'],
);

const tables: ReadonlyMap<string, ProtocolTable> = new Map(
  [request, query, propose, contractNet, iteratedContractNet, subscribe].map((table) => [table.name, table]),
);

/** Every protocol that conversations are held to. */
export const interactionProtocols: readonly ProtocolTable[] = [...tables.values()];

/** The table of a protocol; undefined for one that this version does not know, which is then not enforced. */
export const protocolTable = (name: string): ProtocolTable | undefined => tables.get(name);
