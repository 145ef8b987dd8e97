import { describe, expect, it } from 'vitest';
import { AuditAggregate } from '../../../src/protocols/audit/aggregate.ts';
import type { AuditEvent } from '../../../src/protocols/audit/record.ts';
import { granted } from './fixtures.ts';

const to = (receiver: string, more: Partial<AuditEvent> = {}): AuditEvent => ({
  ...granted,
  ...more,
  metadata: { ...granted.metadata, receiver },
});

describe('aggregating', () => {
  it('keeps the first of each sender, receiver and operation, with the count', () => {
    const window = new AuditAggregate();
    for (let i = 0; i < 100; i++) window.add(to('default/bob', { at: granted.at + i, requestId: `r${i}` }));
    window.add(to('default/carol'));
    window.add({ ...to('default/bob'), metadata: { ...granted.metadata, operation: 'inform' } });
    expect(window.flush()).toEqual([
      { ...to('default/bob'), requestId: 'r0', count: 100 },
      to('default/carol'),
      { ...granted, metadata: { ...granted.metadata, operation: 'inform' } },
    ]);
  });

  it('starts over after a flush', () => {
    const window = new AuditAggregate();
    window.add(granted);
    window.flush();
    expect(window.flush()).toEqual([]);
    window.add(granted);
    expect(window.flush()).toEqual([granted]);
  });

  it('does not mix observations that differ in anything but the time', () => {
    const window = new AuditAggregate();
    const changed = (member: string, status: string): AuditEvent => ({
      ...granted,
      type: 'MemberChanged',
      metadata: { member, status },
    });
    for (const event of [changed('b', 'dead'), changed('c', 'dead'), changed('b', 'alive'), changed('b', 'dead')])
      window.add(event);
    expect(window.flush().map(({ count }) => count)).toEqual([2, undefined, undefined]);
  });

  it('tells senders apart by identity where no sender is named', () => {
    const window = new AuditAggregate();
    for (const identity of ['default/a', 'default/b', 'default/a'])
      window.add({ ...granted, identity, metadata: { receiver: 'default/bob', operation: 'request' } });
    expect(window.flush().map(({ identity, count }) => [identity, count])).toEqual([
      ['default/a', 2],
      ['default/b', undefined],
    ]);
  });

  it('loses no count when it has no room, and never holds more than its bound', () => {
    const window = new AuditAggregate(2);
    for (let i = 0; i < 1_000; i++) window.add(to(`default/r${i}`));
    expect(window.size).toBe(3);
    const events = window.flush();
    expect(events.reduce((sum, { count = 1 }) => sum + count, 0)).toBe(1_000);
    expect(events.at(-1)).toMatchObject({ identity: 'various', count: 998, metadata: { others: true } });
  });
});
