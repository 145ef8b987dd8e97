import { describe, expect, test } from 'vitest';
import {
  type ConversationState,
  conversationStep,
  startConversation,
} from '../../../src/protocols/acl/conversation.ts';
import {
  contractNet,
  interactionProtocols,
  iteratedContractNet,
  request,
  subscribe,
} from '../../../src/protocols/acl/interaction-protocols.ts';
import { type Performative, performatives } from '../../../src/protocols/acl/performative.ts';
import type { ProtocolTable, Role } from '../../../src/protocols/acl/protocol-table.ts';

const roles: readonly Role[] = ['initiator', 'participant'];

/** What the end of each table is, by hand. */
const cancelling = [
  'cancelling participant inform cancelled',
  'cancelling participant failure failed',
  'cancelling participant not-understood not-understood',
];
const bids = [
  'start initiator cfp called',
  'called participant refuse refused',
  'called participant propose proposed',
  'called participant not-understood not-understood',
  'called initiator cancel cancelling',
  'proposed initiator reject-proposal rejected',
  'proposed initiator accept-proposal accepted',
  'proposed initiator not-understood not-understood',
  'proposed initiator cancel cancelling',
  'accepted participant inform done',
  'accepted participant failure failed',
  'accepted participant not-understood not-understood',
  'accepted initiator cancel cancelling',
  ...cancelling,
];
const answered = (asked: string) => [
  `${asked} participant refuse refused`,
  `${asked} participant not-understood not-understood`,
  `${asked} participant agree agreed`,
  `${asked} participant inform done`,
  `${asked} participant failure failed`,
  `${asked} initiator cancel cancelling`,
  'agreed participant inform done',
  'agreed participant failure failed',
  'agreed initiator not-understood not-understood',
  'agreed initiator cancel cancelling',
  ...cancelling,
];

/** What each table allows, written by hand a second time: state, role, act, next state. */
const allowed: Record<string, readonly string[]> = {
  'fipa-request': ['start initiator request requested', ...answered('requested')],
  'fipa-query': ['start initiator query-if asked', 'start initiator query-ref asked', ...answered('asked')],
  'fipa-propose': [
    'start initiator propose proposed',
    'proposed participant accept-proposal accepted',
    'proposed participant reject-proposal rejected',
    'proposed participant not-understood not-understood',
    'proposed initiator cancel cancelling',
    ...cancelling,
  ],
  'fipa-contract-net': bids,
  'fipa-iterated-contract-net': [...bids, 'proposed initiator cfp called'],
  'fipa-subscribe': [
    'start initiator subscribe asked',
    'asked participant refuse refused',
    'asked participant agree subscribed',
    'asked participant inform subscribed',
    'asked participant failure failed',
    'asked participant not-understood not-understood',
    'asked initiator cancel cancelling',
    'subscribed participant inform subscribed',
    'subscribed participant failure failed',
    'subscribed initiator not-understood not-understood',
    'subscribed initiator cancel cancelling',
    ...cancelling,
    'cancelled participant inform cancelled',
  ],
};

describe.each(interactionProtocols.map((table): [string, ProtocolTable] => [table.name, table]))(
  'in %s',
  (name, table) => {
    test('each act of each role in each state is allowed exactly where the list says', () => {
      const states = new Set([table.initial, ...table.transitions.flatMap(({ from, to }) => [from, to])]);
      const found: string[] = [];
      for (const state of states)
        for (const by of roles)
          for (const act of performatives) {
            const step = conversationStep({ protocol: name, state }, { act, by });
            if (step.ok) {
              expect(step.value.protocol).toBe(name);
              found.push(`${state} ${by} ${act} ${step.value.state}`);
            } else expect(step.refusal.code).toBe('PROTOCOL_VIOLATION');
          }
      expect(found.toSorted()).toEqual(allowed[name]!.toSorted());
    });
  },
);

const walk = (table: ProtocolTable, acts: readonly [Role, Performative][]): ConversationState => {
  let state = startConversation(table);
  for (const [by, act] of acts) {
    const step = conversationStep(state, { act, by });
    if (!step.ok) throw new Error(step.refusal.reasons.join(' '));
    state = step.value;
  }
  return state;
};

describe('conversationStep', () => {
  test('follows a whole conversation', () => {
    const end = walk(contractNet, [
      ['initiator', 'cfp'],
      ['participant', 'propose'],
      ['initiator', 'accept-proposal'],
      ['participant', 'inform'],
    ]);
    expect(end).toEqual({ protocol: 'fipa-contract-net', state: 'done' });
  });

  test('says what would have fitted', () => {
    const asked = walk(request, [['initiator', 'request']]);
    expect(conversationStep(asked, { act: 'propose', by: 'participant' })).toEqual({
      ok: false,
      refusal: {
        code: 'PROTOCOL_VIOLATION',
        reasons: [
          'In fipa-request, propose by the participant does not fit the state “requested”.',
          'What fits: refuse by the participant, agree by the participant, inform by the participant, failure by the participant, not-understood by the participant, cancel by the initiator.',
        ],
      },
    });
  });

  test('calls for proposals again where the protocol is iterated', () => {
    const acts: [Role, Performative][] = [
      ['initiator', 'cfp'],
      ['participant', 'propose'],
      ['initiator', 'cfp'],
      ['participant', 'propose'],
      ['initiator', 'accept-proposal'],
      ['participant', 'inform'],
    ];
    expect(walk(iteratedContractNet, acts).state).toBe('done');
    expect(() => walk(contractNet, acts)).toThrow('cfp by the initiator does not fit');
  });

  test('takes what a subscription still has under way when it is cancelled, and nothing after it failed', () => {
    const cancelled = walk(subscribe, [
      ['initiator', 'subscribe'],
      ['participant', 'inform'],
      ['participant', 'inform'],
      ['initiator', 'cancel'],
      ['participant', 'inform'],
      ['participant', 'inform'],
    ]);
    expect(cancelled.state).toBe('cancelled');
    expect(conversationStep(cancelled, { act: 'subscribe', by: 'initiator' }).ok).toBe(false);
  });

  test('says when the conversation is over', () => {
    const over = walk(request, [
      ['initiator', 'request'],
      ['participant', 'inform'],
    ]);
    const again = conversationStep(over, { act: 'inform', by: 'participant' });
    expect(again).toMatchObject({ ok: false, refusal: { reasons: [expect.anything(), 'The conversation is over.'] } });
  });

  test('leaves the state that it was given alone', () => {
    const start = Object.freeze(startConversation(request));
    conversationStep(start, { act: 'request', by: 'initiator' });
    expect(start).toEqual({ protocol: 'fipa-request', state: 'start' });
  });

  test('refuses a protocol and a state that no table has', () => {
    const act = { act: 'inform', by: 'participant' } as const;
    expect(conversationStep({ protocol: 'none', state: 'start' }, act)).toMatchObject({ ok: false });
    expect(conversationStep({ protocol: 'fipa-request', state: 'nowhere' }, act)).toMatchObject({ ok: false });
  });
});
