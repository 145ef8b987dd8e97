import { expect, test } from 'vitest';
import { closeCodes } from '../../../src/protocols/link/close-codes.ts';

test('close codes are distinct, private to applications (RFC 6455 §7.4.2), and never change', () => {
  const codes = Object.values(closeCodes).map(({ code }) => code);
  expect(new Set(codes).size).toBe(codes.length);
  expect(codes.every((code) => code >= 4_000 && code <= 4_999)).toBe(true);
  expect(Object.fromEntries(Object.entries(closeCodes).map(([reason, { code }]) => [reason, code]))).toEqual({
    goodbye: 4_000,
    protocolViolation: 4_001,
    handshakeTimeout: 4_002,
    certificateRefused: 4_003,
    duplicate: 4_004,
    revoked: 4_005,
    silence: 4_006,
    limit: 4_007,
    expired: 4_008,
    foreign: 4_009,
    self: 4_010,
    suspended: 4_011,
  });
});
