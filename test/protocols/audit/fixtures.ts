import { createHash } from 'node:crypto';
import type { AuditEvent } from '../../../src/protocols/audit/record.ts';
import type { Utf8 } from '../../../src/protocols/msgpack/writer.ts';
import { now } from '../authorization/fixtures.ts';

export const utf8: Utf8 = {
  encode: (text) => new TextEncoder().encode(text),
  decode: (bytes) => new TextDecoder('utf-8', { fatal: true }).decode(bytes),
};
export const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest());

export const granted: AuditEvent = {
  type: 'AccessGranted',
  at: now,
  identity: 'default/alice',
  sourceIp: '',
  nodeId: 'node-1',
  outcome: 'success',
  reasons: [],
  metadata: { sender: 'default/alice', receiver: 'default/bob', operation: 'request' },
};
export const denied: AuditEvent = {
  ...granted,
  type: 'AccessDenied',
  outcome: 'refused',
  code: 'UNAUTHORIZED',
  reasons: ['Policy default/bob does not allow default/alice as a sender.'],
  sourceIp: '127.0.0.1',
  requestId: 'r1',
};
