import fc from 'fast-check';
import { expect, it } from 'vitest';
import { syslogCheckpoint, syslogMessage } from '../../../src/protocols/siem/syslog.ts';
import { anyRecord, denial } from './records.ts';

const form = { facility: 'audit', hostname: 'node-1', procId: '42', enterpriseId: 32_473 } as const;

it('a refusal is a warning of the audit facility, with its place in structured data', () => {
  expect(syslogMessage(denial, 'text', form)).toBe(
    '<108>1 2026-01-31T12:00:00.005Z node-1 caxton 42 AccessDenied ' +
      '[caxton@32473 seq="7" node="node-1" outcome="refused"][meta sequenceId="7"] \uFEFFtext',
  );
});

it('what says that an agent has turned is critical', () => {
  expect(syslogMessage({ ...denial, type: 'AgentCompromised' }, '', form)).toMatch(/^<106>1 /);
});

it('a checkpoint is a notice of its own type, without a sequence id', () => {
  expect(
    syslogCheckpoint({ size: 9, line: '{}' }, { ...form, nodeId: 'node-1', time: '2026-01-31T12:00:00.005Z' }),
  ).toBe(
    '<109>1 2026-01-31T12:00:00.005Z node-1 caxton 42 AuditCheckpoint [caxton@32473 size="9" node="node-1"] \uFEFF{}',
  );
});

it('sequence ids begin again after 2^31 − 1', () => {
  expect(syslogMessage({ ...denial, seq: 2_147_483_647 }, '', form)).toContain('sequenceId="2147483647"');
  expect(syslogMessage({ ...denial, seq: 2_147_483_648 }, '', form)).toContain('sequenceId="1"');
});

it('an odd name of the host cannot end its field', () => {
  expect(syslogMessage(denial, '', { ...form, hostname: 'a b\nc', procId: '' })).toContain(' a_b_c caxton - ');
});

it('whatever a record holds, the header has its seven fields and the data its two elements', () => {
  const wellFormed =
    /^<\d{1,3}>1 \S+ [\x21-\x7e]{1,255} caxton [\x21-\x7e]{1,128} [\x21-\x7e]{1,32} \[caxton@\d+ seq="\d+" node="(?:[^"\\\]]|\\.)*" outcome="\w+"\]\[meta sequenceId="\d+"\] \uFEFF/;
  fc.assert(
    fc.property(anyRecord, fc.string({ unit: 'binary' }), (record, nodeId) => {
      expect(syslogMessage({ ...record, nodeId }, 'm', form).replace(/[\n\u2028\u2029]/g, ' ')).toMatch(wellFormed);
    }),
  );
});
