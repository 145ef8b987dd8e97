import { describe, expect, test } from 'vitest';
import { interactionProtocols, protocolTable } from '../../../src/protocols/acl/interaction-protocols.ts';
import { isPerformative } from '../../../src/protocols/acl/performative.ts';
import { type ProtocolTable, projected } from '../../../src/protocols/acl/protocol-table.ts';

const tables: readonly [string, ProtocolTable][] = interactionProtocols.map((table) => [table.name, table]);

/** The states that a walk along transitions reaches, in their direction or against it. */
function reached(starts: readonly string[], next: (state: string) => readonly string[]): Set<string> {
  const seen = new Set(starts);
  for (const state of seen) for (const to of next(state)) seen.add(to);
  return seen;
}

describe.each(tables)('the table of %s', (name, table) => {
  const states = new Set([table.initial, ...table.final, ...table.transitions.flatMap(({ from, to }) => [from, to])]);

  test('is found by its name', () => {
    expect(protocolTable(name)).toBe(table);
  });

  test('reaches every state from the first', () => {
    const ways = reached([table.initial], (state) =>
      table.transitions.filter(({ from }) => from === state).map(({ to }) => to),
    );
    expect([...ways].toSorted()).toEqual([...states].toSorted());
  });

  test('can end from every state', () => {
    const ways = reached([...table.final], (state) =>
      table.transitions.filter(({ to }) => to === state).map(({ from }) => from),
    );
    expect([...ways].toSorted()).toEqual([...states].toSorted());
  });

  test('leaves no final state, and every state without a way on is final', () => {
    const left = new Set(table.transitions.filter(({ from, to }) => from !== to).map(({ from }) => from));
    // A subscription goes on in one state until somebody ends it.
    for (const { from, to } of table.transitions) if (from === to) expect(['subscribed', 'cancelled']).toContain(from);
    for (const state of states) expect(table.final.has(state), state).toBe(!left.has(state));
  });

  test('is begun by the initiator alone', () => {
    const first = table.transitions.filter(({ from }) => from === table.initial);
    expect(first.length).toBeGreaterThan(0);
    expect(first.every(({ by }) => by === 'initiator')).toBe(true);
  });

  test('has one answer for an act of a role in a state, and knows only FIPA’s acts', () => {
    const keys = table.transitions.map(({ from, act, by }) => `${from} ${act} ${by}`);
    expect(new Set(keys).size).toBe(keys.length);
    expect(table.transitions.every(({ act }) => isPerformative(act))).toBe(true);
  });
});

describe.each(tables)('in %s', (_, table) => {
  const open = new Set(table.transitions.map(({ from }) => from).filter((state) => !table.final.has(state)));
  const may = (from: string, by: string, act: string) =>
    table.transitions.some((step) => step.from === from && step.by === by && step.act === act);

  test('the initiator can cancel whatever has begun and not ended', () => {
    for (const state of open)
      expect(may(state, 'initiator', 'cancel'), state).toBe(state !== table.initial && state !== 'cancelling');
  });

  test('whoever was spoken to can say that it did not understand', () => {
    for (const { to, by } of table.transitions)
      if (open.has(to) && to !== 'cancelling')
        expect(may(to, by === 'initiator' ? 'participant' : 'initiator', 'not-understood'), to).toBe(true);
  });

  test('what one role sends the other one receives', () => {
    const [mine, theirs] = [projected(table, 'initiator'), projected(table, 'participant')];
    expect(mine.map(({ from, act, to }) => [from, act, to])).toEqual(
      theirs.map(({ from, act, to }) => [from, act, to]),
    );
    for (const [at, { does }] of mine.entries()) expect(theirs[at]!.does).not.toBe(does);
  });
});

test('the protocols are FIPA’s', () => {
  expect(tables.map(([name]) => name)).toEqual([
    'fipa-request',
    'fipa-query',
    'fipa-propose',
    'fipa-contract-net',
    'fipa-iterated-contract-net',
    'fipa-subscribe',
  ]);
});

test('a protocol that this version does not know has no table', () => {
  for (const name of ['', 'fipa-brokering', 'FIPA-REQUEST', '__proto__', 'constructor'])
    expect(protocolTable(name), name).toBeUndefined();
});
