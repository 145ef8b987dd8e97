import { describe, expect, it } from 'vitest';
import { DenialWindow } from '../../../src/protocols/audit/denials.ts';
import type { AuditEvent } from '../../../src/protocols/audit/record.ts';
import { denied } from './fixtures.ts';

const from = (sourceIp: string, more: Partial<AuditEvent> = {}): AuditEvent => ({ ...denied, sourceIp, ...more });
const inFull = (window: DenialWindow, events: readonly AuditEvent[]) =>
  events.filter((event) => window.add(event) === 'write').length;

describe('denials', () => {
  it('are written in full at first, then counted, without losing one', () => {
    const window = new DenialWindow({ inFullMax: 3 });
    const all = Array.from({ length: 10 }, (_, i) => from('10.0.0.1', { requestId: `r${i}` }));
    expect(all.map((event) => window.add(event))).toEqual([...Array(3).fill('write'), ...Array(7).fill('counted')]);
    expect(window.flush()).toEqual([{ ...all[3], count: 7 }]);
  });

  it('leave nothing to flush when all were written', () => {
    const window = new DenialWindow({ inFullMax: 3 });
    expect(inFull(window, [from('10.0.0.1'), from('10.0.0.1')])).toBe(2);
    expect(window.flush()).toEqual([]);
  });

  it('of each source and each reason have a share of their own', () => {
    const window = new DenialWindow({ inFullMax: 1 });
    const events = [from('10.0.0.1'), from('10.0.0.2'), from('10.0.0.1', { code: 'RATE_LIMIT_EXCEEDED' })];
    expect(inFull(window, events)).toBe(3);
    expect(inFull(window, events)).toBe(0);
  });

  it('cannot win room by varying what the denied party chooses', () => {
    const window = new DenialWindow({ inFullMax: 2 });
    const varied = Array.from({ length: 100 }, (_, i) =>
      from('10.0.0.1', { identity: `anonymous-${i}`, reasons: [`No agent ${i}.`], requestId: `r${i}` }),
    );
    expect(inFull(window, varied)).toBe(2);
  });

  it('inside the cluster are told apart by identity', () => {
    const window = new DenialWindow({ inFullMax: 1 });
    expect(inFull(window, [from('', { identity: 'a/a' }), from('', { identity: 'b/b' })])).toBe(2);
  });

  it('from very many sources are bounded in all, and still counted', () => {
    const window = new DenialWindow({ inFullMax: 5, inFullTotalMax: 20, keysMax: 50 });
    const flood = Array.from({ length: 1_000 }, (_, i) => from(`10.0.${i >> 8}.${i & 255}`));
    expect(inFull(window, flood)).toBe(20);
    const events = window.flush();
    expect(events.length).toBeLessThanOrEqual(51);
    expect(events.reduce((sum, { count = 1 }) => sum + count, 0)).toBe(980);
  });

  it('are written in full again in the next window', () => {
    const window = new DenialWindow({ inFullMax: 1 });
    expect(inFull(window, [from('10.0.0.1'), from('10.0.0.1')])).toBe(1);
    window.flush();
    expect(window.add(from('10.0.0.1'))).toBe('write');
  });
});
