import { describe, expect, it } from 'vitest';
import { AuditAggregate } from '../../../src/protocols/audit/aggregate.ts';
import type { AuditEvent } from '../../../src/protocols/audit/record.ts';
import { denied, granted } from './fixtures.ts';

const to = (receiver: string, more: Partial<AuditEvent> = {}): AuditEvent => ({
  ...granted,
  ...more,
  metadata: { ...granted.metadata, receiver },
});

describe('aggregating', () => {
  it('lets the first of each sender, receiver and operation be written, and counts the rest', () => {
    const window = new AuditAggregate();
    const added = Array.from({ length: 100 }, (_, i) =>
      window.add(to('default/bob', { at: granted.at + i, requestId: `r${i}` })),
    );
    expect(added.filter((how) => how === 'write')).toHaveLength(1);
    expect(window.add(to('default/carol'))).toBe('write');
    expect(window.add({ ...to('default/bob'), metadata: { ...granted.metadata, operation: 'inform' } })).toBe('write');
    expect(window.flush()).toEqual([{ ...to('default/bob'), requestId: 'r0', count: 99 }]);
  });

  it('starts over after a flush', () => {
    const window = new AuditAggregate();
    window.add(granted);
    window.add(granted);
    window.flush();
    expect(window.flush()).toEqual([]);
    expect(window.add(granted)).toBe('write');
    expect(window.flush()).toEqual([]);
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
    expect(window.flush()).toEqual([{ ...changed('b', 'dead'), count: 1 }]);
  });

  it('tells senders apart by identity where no sender is named', () => {
    const window = new AuditAggregate();
    for (const identity of ['default/a', 'default/b', 'default/a'])
      window.add({ ...granted, identity, metadata: { receiver: 'default/bob', operation: 'request' } });
    expect(window.flush().map(({ identity, count }) => [identity, count])).toEqual([['default/a', 1]]);
  });

  it('loses no count when it has no room, and never holds more than its bound', () => {
    const window = new AuditAggregate(2);
    const written = Array.from({ length: 1_000 }, (_, i) => window.add(to(`default/r${i}`))).filter(
      (how) => how === 'write',
    ).length;
    expect(window.size).toBe(3);
    const events = window.flush();
    expect(written + events.reduce((sum, { count = 1 }) => sum + count, 0)).toBe(1_000);
    expect(events.at(-1)).toMatchObject({ identity: 'various', count: 998, metadata: { others: true } });
  });

  it('counts what was to be written and could not be', () => {
    const window = new AuditAggregate();
    window.add(granted);
    window.missed(granted);
    window.missed(denied);
    expect(window.flush().map(({ type, count }) => [type, count])).toEqual([
      ['AccessGranted', 1],
      ['AccessDenied', 1],
    ]);
  });
});
