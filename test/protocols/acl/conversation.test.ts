import { describe, expect, test } from 'vitest';
import {
  type ConversationState,
  conversationStep,
  startConversation,
} from '../../../src/protocols/acl/conversation.ts';
import { type Performative, performatives } from '../../../src/protocols/acl/performative.ts';
import { contractNet, type ProtocolTable, type Role, request } from '../../../src/protocols/acl/protocol-table.ts';

const roles: readonly Role[] = ['initiator', 'participant'];

/** What each table allows, written by hand a second time: state, role, act, next state. */
const allowed: Record<string, readonly string[]> = {
  'fipa-request': [
    'start initiator request requested',
    'requested participant refuse refused',
    'requested participant not-understood refused',
    'requested participant agree agreed',
    'requested participant inform done',
    'requested participant failure failed',
    'requested initiator cancel cancelled',
    'agreed participant inform done',
    'agreed participant failure failed',
    'agreed initiator cancel cancelled',
    'cancelled participant inform done',
    'cancelled participant failure failed',
  ],
  'fipa-contract-net': [
    'start initiator cfp called',
    'called participant refuse refused',
    'called participant not-understood refused',
    'called participant propose proposed',
    'called initiator cancel cancelled',
    'proposed initiator reject-proposal rejected',
    'proposed initiator accept-proposal accepted',
    'proposed initiator cancel cancelled',
    'accepted participant inform done',
    'accepted participant failure failed',
    'accepted initiator cancel cancelled',
    'cancelled participant inform done',
    'cancelled participant failure failed',
  ],
};

describe.each([request, contractNet].map((table): [string, ProtocolTable] => [table.name, table]))(
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
          'What fits: refuse by the participant, not-understood by the participant, agree by the participant, inform by the participant, failure by the participant, cancel by the initiator.',
        ],
      },
    });
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
