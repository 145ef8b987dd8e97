import { expect, test } from 'vitest';
import { contractNet, propose, request } from '../../../src/protocols/acl/interaction-protocols.ts';
import { toMermaid } from '../../../src/protocols/acl/mermaid.ts';

test('the chart of FIPA Request', () => {
  expect(toMermaid(request)).toBe(`stateDiagram-v2
  [*] --> start
  start --> requested: initiator request
  requested --> refused: participant refuse
  requested --> agreed: participant agree
  requested --> done: participant inform
  requested --> failed: participant failure
  agreed --> done: participant inform
  agreed --> failed: participant failure
  requested --> not-understood: participant not-understood
  agreed --> not-understood: initiator not-understood
  requested --> cancelling: initiator cancel
  agreed --> cancelling: initiator cancel
  cancelling --> cancelled: participant inform
  cancelling --> failed: participant failure
  cancelling --> not-understood: participant not-understood
  refused --> [*]
  done --> [*]
  failed --> [*]
  not-understood --> [*]
  cancelled --> [*]
`);
});

test('the chart of FIPA Contract Net has each transition and each end once', () => {
  const lines = toMermaid(contractNet).split('\n');
  expect(lines).toContain('  proposed --> accepted: initiator accept-proposal');
  expect(lines.filter((line) => line.includes(' --> [*]'))).toHaveLength(contractNet.final.size);
  expect(lines).toHaveLength(2 + contractNet.transitions.length + contractNet.final.size + 1);
});

test('the chart of one role says what it sends and what it receives', () => {
  const lines = toMermaid(propose, 'participant').split('\n');
  expect(lines).toContain('  start --> proposed: receives propose');
  expect(lines).toContain('  proposed --> accepted: sends accept-proposal');
});
