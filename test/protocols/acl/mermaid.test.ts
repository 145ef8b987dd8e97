import { expect, test } from 'vitest';
import { toMermaid } from '../../../src/protocols/acl/mermaid.ts';
import { contractNet, request } from '../../../src/protocols/acl/protocol-table.ts';

test('the chart of FIPA Request', () => {
  expect(toMermaid(request)).toBe(`stateDiagram-v2
  [*] --> start
  start --> requested: initiator request
  requested --> refused: participant refuse
  requested --> refused: participant not-understood
  requested --> agreed: participant agree
  requested --> done: participant inform
  requested --> failed: participant failure
  agreed --> done: participant inform
  agreed --> failed: participant failure
  requested --> cancelled: initiator cancel
  agreed --> cancelled: initiator cancel
  cancelled --> done: participant inform
  cancelled --> failed: participant failure
  refused --> [*]
  done --> [*]
  failed --> [*]
`);
});

test('the chart of FIPA Contract Net has each transition and each end once', () => {
  const lines = toMermaid(contractNet).split('\n');
  expect(lines).toContain('  proposed --> accepted: initiator accept-proposal');
  expect(lines.filter((line) => line.includes(' --> [*]'))).toHaveLength(contractNet.final.size);
  expect(lines).toHaveLength(2 + contractNet.transitions.length + contractNet.final.size + 1);
});
