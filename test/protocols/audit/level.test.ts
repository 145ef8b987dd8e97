import { describe, expect, it } from 'vitest';
import { auditTypes, classOf, ownTypes } from '../../../src/protocols/audit/event-type.ts';
import { auditPolicy, nothingAudited, weakened, withoutDetail } from '../../../src/protocols/audit/level.ts';
import { auditLine, auditRecord, readAuditLine } from '../../../src/protocols/audit/record.ts';
import { denied } from './fixtures.ts';

describe('the levels of the log', () => {
  it('keep every act of class A in full by default', () => {
    expect(weakened(auditPolicy())).toEqual([]);
    for (const type of auditTypes)
      expect(auditPolicy()[type].success).toBe(classOf(type) === 'B' ? 'aggregate' : 'full');
  });

  it('never take out what the log says of itself', () => {
    const policy = auditPolicy(Object.fromEntries(ownTypes.map((type) => [type, 'none'])));
    for (const type of ownTypes) expect(policy[type].success).toBe('full');
    expect(weakened(nothingAudited)).toEqual(
      auditTypes.filter((type) => classOf(type) === 'A' && !ownTypes.includes(type)),
    );
  });

  it('leave who, what, whom and when at the level metadata, and say that they left something out', () => {
    const event = { ...denied, metadata: { ...denied.metadata, detail: 'much' } };
    const read = readAuditLine(auditLine(auditRecord(withoutDetail(event), 7)));
    expect(read).toMatchObject({ ok: true, value: { seq: 7, level: 'metadata', reasons: [], code: 'UNAUTHORIZED' } });
    if (read.ok) expect(read.value.metadata).toEqual(denied.metadata);
  });
});
