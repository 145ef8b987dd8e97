import fc from 'fast-check';
import { auditTypes } from '../../../src/protocols/audit/event-type.ts';
import { type AuditEvent, type AuditRecord, auditRecord } from '../../../src/protocols/audit/record.ts';

/** A denial of a message, as the log has it. */
export const denial: AuditRecord = auditRecord(
  {
    type: 'AccessDenied',
    at: Date.UTC(2026, 0, 31, 12, 0, 0, 5),
    identity: 'shop/clerk',
    sourceIp: '192.0.2.7',
    nodeId: 'node-1',
    outcome: 'refused',
    reasons: ['It has no capability.', 'The policy says no.'],
    code: 'UNAUTHORIZED',
    requestId: 'r-1',
    metadata: { sender: 'shop/clerk', receiver: 'bank/cashier', operation: 'request', bytes: 12, first: true },
    count: 3,
  },
  7,
);

const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('=1+1', '"', '\\', ']', '|', 'a=b', 'x\r\ny', '\n<13>1 - - - - - -', '\uFEFF', '{"a":1}', ''),
);

/** Records with anything that a stranger could have put into one. */
export const anyRecord: fc.Arbitrary<AuditRecord> = fc
  .record({
    type: fc.constantFrom(...auditTypes),
    at: fc.integer({ min: 0, max: Date.UTC(9999, 0) }),
    identity: anyText,
    sourceIp: fc.oneof(fc.constantFrom('', '192.0.2.1', '2001:db8::1'), anyText),
    nodeId: fc.constant('node-1'),
    outcome: fc.constantFrom('success', 'refused', 'failure'),
    reasons: fc.array(anyText, { maxLength: 3 }),
    metadata: fc.dictionary(
      fc.string({ minLength: 1, maxLength: 8 }),
      fc.oneof(anyText, fc.boolean(), fc.double({ noNaN: true, noDefaultInfinity: true })),
    ),
  })
  .chain((event) => fc.nat(4_000_000_000).map((seq) => auditRecord(event as AuditEvent, seq + 1)));
