import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { cutText, utf8Length } from '../../../src/protocols/audit/cut.ts';
import { auditTypes, classOf } from '../../../src/protocols/audit/event-type.ts';
import { type AuditEvent, auditLine, auditRecord, readAuditLine } from '../../../src/protocols/audit/record.ts';
import { now } from '../authorization/fixtures.ts';
import { denied, granted, utf8 } from './fixtures.ts';

const line = (event: AuditEvent) => auditLine(auditRecord(event, 1));
/** Every field that an event may have. */
const everything: Partial<AuditEvent> = {
  code: 'UNAUTHORIZED',
  decision: { effect: 'deny', policy: 'policy default/bob', layer: 'capability' },
  requestId: 'r1',
  traceId: '0af7651916cd43dd8448eb211c80319c',
  policyHash: 'ab'.repeat(32),
  certificateSerial: '0123456789abcdef',
  count: 3,
  metadata: { a: 1, b: true, c: 'x' },
};
const bytes = (text: string) => utf8.encode(text).length;

describe('an audit record', () => {
  it('is one line with its keys in fixed order', () => {
    const { at, ...rest } = denied;
    const reversed = Object.fromEntries([...Object.entries(rest).reverse(), ['at', at]]) as unknown as AuditEvent;
    expect(line(reversed)).toBe(line(denied));
    expect(line(denied)).toBe(
      `{"seq":1,"time":"2025-01-01T00:00:00.000Z","type":"AccessDenied","identity":"default/alice",` +
        '"sourceIp":"127.0.0.1","nodeId":"node-1","outcome":"refused",' +
        '"reasons":["Policy default/bob does not allow default/alice as a sender."],"code":"UNAUTHORIZED",' +
        '"requestId":"r1","metadata":{"sender":"default/alice","receiver":"default/bob","operation":"request"}}',
    );
  });

  it('is read back as it was written', () => {
    for (const type of auditTypes) {
      const record = auditRecord({ ...granted, ...everything, type }, 42);
      expect(readAuditLine(auditLine(record))).toEqual({ ok: true, value: record });
    }
  });

  it('is always one line of bounded bytes that can be read, whatever is put into it', () => {
    const nasty = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.string({ unit: fc.constantFrom('\n', '\u0000', '"', '\ud800', '𝄞', '€'), minLength: 500, maxLength: 3_000 }),
    );
    const value = fc.oneof(nasty, fc.double(), fc.boolean());
    const events = fc.record({
      identity: nasty,
      sourceIp: nasty,
      nodeId: nasty,
      requestId: nasty,
      traceId: nasty,
      certificateSerial: nasty,
      decision: fc.record({ effect: fc.constant('deny' as const), policy: nasty, layer: nasty }),
      reasons: fc.array(nasty, { maxLength: 20 }),
      metadata: fc.dictionary(fc.oneof(nasty, fc.constantFrom('__proto__', 'constructor', 'a')), value, {
        maxKeys: 50,
      }),
    });
    fc.assert(
      fc.property(events, (parts) => {
        const text = line({ ...denied, ...parts });
        expect(bytes(text)).toBeLessThanOrEqual(limits.auditRecordBytesMax);
        expect(text).not.toContain('\n');
        const read = readAuditLine(text);
        expect(read.ok || read.refusal.reasons).toBe(true);
        if (read.ok) expect(auditLine(read.value)).toBe(text);
      }),
      { numRuns: 150 },
    );
  });

  it('is cut as little as needed, and says so', () => {
    const long = 'x'.repeat(2_000);
    const read = readAuditLine(line({ ...denied, identity: long, metadata: { kept: 'short', long } }));
    if (!read.ok) throw new Error(read.refusal.reasons[0]);
    expect(read.value.cut).toBe(true);
    expect(read.value.identity).toBe(`${'x'.repeat(255)}…`);
    expect(read.value.metadata.kept).toBe('short');
    expect(line(denied)).not.toContain('cut');
  });

  it('keeps who, what and when even when metadata fills all the room', () => {
    const metadata = Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`k${i}`, '\u0000'.repeat(1_024)]));
    const reasons = Array.from({ length: 16 }, (_, i) => `${i}${'\u0000'.repeat(511)}`);
    const read = readAuditLine(line({ ...denied, reasons, metadata }));
    expect(read).toMatchObject({ ok: true, value: { identity: 'default/alice', type: 'AccessDenied', cut: true } });
  });

  it.each<[string, object]>([
    ['a number for an identity', { identity: 7 }],
    ['no reasons', { reasons: undefined }],
    ['a count of nothing', { count: 0 }],
    ['no metadata', { metadata: undefined }],
    ['metadata in metadata', { metadata: { a: {} } }],
  ])('is not written with %s: nobody could read it again', (_, fault) => {
    expect(() => line({ ...denied, ...fault } as AuditEvent)).toThrow(TypeError);
  });

  const good = auditRecord(denied, 1);
  it.each([
    ['an unknown type', { type: 'Nothing' }],
    ['an unknown key', { extra: 1 }],
    ['sequence 0', { seq: 0 }],
    ['a decision without an effect', { decision: { policy: 'p' } }],
    ['another level', { level: 'full' }],
    ['a time with an offset', { time: '2025-01-01T00:00:00.000+01:00' }],
    ['a time without milliseconds', { time: '2025-01-01T00:00:00Z' }],
    ['an unknown code', { code: 'FINE' }],
    ['a count of 0', { count: 0 }],
    ['cut: false', { cut: false }],
    ['nested metadata', { metadata: { a: {} } }],
    ['null in metadata', { metadata: { a: null } }],
  ])('is refused with %s', (_, change) => {
    const read = readAuditLine(JSON.stringify({ ...good, ...change }));
    expect(read.ok ? 'ok' : read.refusal.code).toBe('MALFORMED');
  });

  it('cannot have a time that is not one', () => {
    expect(() => auditRecord({ ...granted, at: Number.NaN }, 1)).toThrow(RangeError);
    expect(auditRecord(granted, 1).time).toBe(new Date(now).toISOString());
  });
});

describe('the classes of events', () => {
  it('keep what strangers can cause from filling the disk', () => {
    expect(auditTypes.filter((type) => classOf(type) === 'denial')).toEqual([
      'LoginFailure',
      'AccessDenied',
      'AgentConflict',
      'LinkRefused',
    ]);
  });

  it('make deployment, keys, certificates, policy and login durable before the answer', () => {
    for (const type of [
      'LoginSuccess',
      'AgentDeployed',
      'AgentRemoved',
      'GossipKeyRotated',
      'CertificateRotated',
    ] as const)
      expect(classOf(type)).toBe('A');
    for (const type of ['SecurityPolicyUpdated', 'ConfigurationChanged', 'AuditRepaired', 'NodeStarted'] as const)
      expect(classOf(type)).toBe('A');
    expect(classOf('AccessGranted')).toBe('B');
  });
});

describe('cutting', () => {
  it('never splits a surrogate pair and never grows', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 2, max: 20 }), (text, max) => {
        const cut = cutText(text, max);
        expect(cut.length).toBeLessThanOrEqual(max);
        expect(/\p{Cs}/u.test(cut)).toBe(false);
        if (text.length <= max) expect(cut).toBe(text);
      }),
    );
  });

  it('counts bytes as an encoder does', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(utf8Length(text)).toBe(bytes(text));
      }),
    );
  });
});
