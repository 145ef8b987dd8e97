import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { auditTypes } from '../../../src/protocols/audit/event-type.ts';
import { ocsfClasses, ocsfEvent } from '../../../src/protocols/siem/ocsf.ts';
import { anyRecord, denial } from './records.ts';

/** Release 1.6.0: the activities of each class, what it requires beside the base event, and of what at least one. */
const classes: Readonly<
  Record<number, { activities: readonly number[]; required: readonly string[]; oneOf?: readonly string[] }>
> = {
  0: { activities: [], required: [] },
  1008: {
    activities: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    required: ['actor', 'device'],
    oneOf: ['log_file', 'log_name', 'log_provider', 'log_type', 'log_type_id'],
  },
  2004: { activities: [1, 2, 3], required: ['finding_info'] },
  3002: { activities: [1, 2, 3, 4, 5, 6, 7], required: ['user'], oneOf: ['service', 'dst_endpoint'] },
  3004: { activities: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13], required: ['entity'] },
  4001: { activities: [1, 2, 3, 4, 5, 6], required: [], oneOf: ['dst_endpoint', 'src_endpoint'] },
  6002: { activities: [1, 2, 3, 4, 5, 6, 7, 8], required: ['app'] },
  6003: { activities: [1, 2, 3, 4], required: ['actor', 'api', 'src_endpoint'] },
};
/** Attributes of the base event and of the profile `host`, as far as we use them. */
const common = [
  ...[
    'activity_id',
    'activity_name',
    'category_uid',
    'class_uid',
    'class_name',
    'type_uid',
    'time',
    'count',
    'message',
  ],
  ...['severity_id', 'severity', 'status_id', 'status', 'status_code', 'status_detail', 'metadata', 'unmapped'],
  ...['actor', 'device'],
];
/** And those of each class. */
const own: Readonly<Record<number, readonly string[]>> = {
  1008: ['log_name', 'src_endpoint'],
  2004: ['finding_info', 'evidences'],
  3002: ['user', 'service', 'src_endpoint', 'dst_endpoint'],
  3004: ['entity', 'src_endpoint'],
  4001: ['src_endpoint', 'dst_endpoint'],
  6002: ['app'],
  6003: ['api', 'resources', 'src_endpoint'],
};
const base = ['activity_id', 'category_uid', 'class_uid', 'metadata', 'severity_id', 'time', 'type_uid'];

describe.each(auditTypes)('%s', (type) => {
  const { classUid, activityId } = ocsfClasses[type];

  it('is an activity that its class has, or one named by us', () => {
    expect([...(classes[classUid]?.activities ?? []), 99]).toContain(activityId);
    expect(classes[classUid]).toBeDefined();
  });

  it('has no attribute that its class does not have', () => {
    fc.assert(
      fc.property(anyRecord, (any) => {
        const event = ocsfEvent({ ...any, type }, '1.2.3');
        expect([...common, ...(own[classUid] ?? [])]).toEqual(expect.arrayContaining(Object.keys(event)));
        // `actor` and `device` are attributes of a profile, which an event has to name.
        expect(event.metadata).toMatchObject({ profiles: ['host'] });
        const { src_endpoint: from } = event as { readonly src_endpoint?: Readonly<Record<string, string>> };
        if (from?.ip !== undefined) expect(isIP(from.ip)).not.toBe(0);
      }),
      { numRuns: 20 },
    );
  });

  it('loses nothing of where the act came from', () => {
    const event = ocsfEvent({ ...denial, type }, '1.2.3');
    expect(JSON.stringify(event)).toContain(denial.sourceIp);
    expect(JSON.stringify(event)).toContain(denial.identity);
  });

  it('has what its class requires', () => {
    fc.assert(
      fc.property(anyRecord, (any) => {
        const event = ocsfEvent({ ...any, type }, '1.2.3');
        for (const name of [...base, ...(classes[classUid]?.required ?? [])]) expect(event).toHaveProperty(name);
        const { oneOf } = classes[classUid] ?? {};
        if (oneOf) expect(oneOf.some((name) => event[name] !== undefined)).toBe(true);
        expect(event).toMatchObject({
          type_uid: classUid * 100 + activityId,
          category_uid: Math.floor(classUid / 1_000),
          time: Date.parse(any.time),
        });
      }),
      { numRuns: 20 },
    );
  });
});

it.each(['192.0.2.7', '0.0.0.0', '2001:db8::1', '::', '::1', '1::', '1:2:3:4:5:6:7:8', '::ffff:192.0.2.7'])(
  '%s is an address',
  (sourceIp) => {
    expect(ocsfEvent({ ...denial, sourceIp }, '1').src_endpoint).toMatchObject({ ip: sourceIp });
  },
);

it('what is no address is kept and not called one', () => {
  const almost = fc.string({ unit: fc.constantFrom(...'0125af:.:') });
  fc.assert(
    fc.property(almost, (sourceIp) => {
      const event = ocsfEvent({ ...denial, sourceIp }, '1') as { src_endpoint: { ip?: string }; unmapped: object };
      expect(event.src_endpoint.ip !== undefined).toBe(isIP(sourceIp) !== 0);
      if (sourceIp !== '' && isIP(sourceIp) === 0) expect(event.unmapped).toMatchObject({ sourceIp });
    }),
    { numRuns: 2_000 },
  );
});

describe('an event', () => {
  it('keeps what the schema has no place for', () => {
    const event = ocsfEvent(denial, '1.2.3');
    expect(event.unmapped).toMatchObject({ metadata: denial.metadata, reasons: denial.reasons, outcome: 'refused' });
    expect(event).toMatchObject({
      class_uid: 6003,
      status_id: 2,
      status_code: 'UNAUTHORIZED',
      severity_id: 3,
      count: 3,
      actor: { user: { name: 'shop/clerk' } },
      api: { operation: 'request' },
      resources: [{ name: 'bank/cashier' }],
      src_endpoint: { ip: '192.0.2.7' },
      metadata: { uid: 'node-1:7', sequence: 7, correlation_uid: 'r-1', version: '1.6.0' },
    });
  });

  it('of a compromised agent is critical, of a refusal at least medium', () => {
    expect(ocsfEvent({ ...denial, type: 'AgentCompromised', outcome: 'success' }, '1')).toMatchObject({
      severity_id: 5,
    });
    expect(ocsfEvent({ ...denial, type: 'LoginFailure' }, '1')).toMatchObject({ severity_id: 3, status: 'Failure' });
    expect(ocsfEvent({ ...denial, type: 'LoginSuccess', outcome: 'success' }, '1')).toMatchObject({
      severity_id: 1,
      status: 'Success',
    });
  });
});
