import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { limits } from '../../../src/limits.ts';
import {
  type CertificateAnswer,
  decodeCertificateAnswer,
  decodeCertificateRequest,
  encodeCertificateAnswer,
  encodeCertificateRequest,
} from '../../../src/protocols/link/certificate-frame.ts';
import { Writer } from '../../../src/protocols/msgpack/writer.ts';
import { utf8 } from './fixtures.ts';

const id = fc.maxSafeNat();
const bytes = (maxLength: number) => fc.uint8Array({ minLength: 1, maxLength });
const answer: fc.Arbitrary<CertificateAnswer> = fc.oneof(
  fc.record({ id, chain: fc.array(bytes(64), { minLength: 1, maxLength: limits.chainCertificatesMax }) }),
  fc.record({
    id,
    refusal: fc.record({
      code: fc.constantFrom('CERTIFICATE_REFUSED' as const, 'RATE_LIMIT_EXCEEDED' as const),
      reasons: fc.tuple(fc.string({ maxLength: 40 })),
    }),
  }),
);
const noBytes = new Uint8Array(0);

describe('a request for a certificate', () => {
  test('comes back as it was written', () => {
    fc.assert(
      fc.property(id, bytes(256), (number, request) => {
        const decoded = decodeCertificateRequest(utf8, encodeCertificateRequest(utf8, { id: number, request }));
        expect(decoded.ok && decoded.value.unverified).toEqual({ id: number, request });
      }),
    );
  });

  test('is refused over its bound, and in another version or form', () => {
    const long = encodeCertificateRequest(utf8, { id: 1, request: new Uint8Array(limits.signingRequestBytesMax + 1) });
    expect(decodeCertificateRequest(utf8, long)).toMatchObject({ refusal: { code: 'LIMIT_EXCEEDED' } });
    for (const header of [
      noBytes,
      new Writer(utf8).array(2).uint(2).uint(1).finish(),
      new Writer(utf8).array(3).uint(1).uint(1).uint(1).finish(),
      new Writer(utf8).array(2).uint(1).uint(1).uint(1).finish(),
    ])
      expect(decodeCertificateRequest(utf8, { header, content: noBytes }).ok).toBe(false);
  });
});

describe('an answer to it', () => {
  test('comes back as it was written', () => {
    fc.assert(
      fc.property(answer, (given) => {
        const decoded = decodeCertificateAnswer(utf8, encodeCertificateAnswer(utf8, given));
        expect(decoded.ok && decoded.value.unverified).toEqual(given);
      }),
    );
  });

  test('has one to four certificates of bounded size, or a refusal and nothing behind it', () => {
    const issued = new Writer(utf8).array(3).uint(1).uint(7).uint(1).finish();
    const chain = (...sizes: number[]) => {
      const writer = new Writer(utf8).array(sizes.length);
      for (const size of sizes) writer.bin(new Uint8Array(size));
      return writer.finish();
    };
    const isRead = (content: Uint8Array) => decodeCertificateAnswer(utf8, { header: issued, content }).ok;
    expect([chain(1), chain(1, 1, 1, 1)].map(isRead)).toEqual([true, true]);
    expect(
      [noBytes, chain(), chain(1, 1, 1, 1, 1), chain(limits.certificateBytesMax + 1), chain(1).slice(0, -1)].map(
        isRead,
      ),
    ).toEqual([false, false, false, false, false]);
    const refused = encodeCertificateAnswer(utf8, { id: 1, refusal: { code: 'INTERNAL', reasons: ['x'] } });
    expect(decodeCertificateAnswer(utf8, { ...refused, content: chain(1) }).ok).toBe(false);
  });

  test('in any other bytes is refused and never thrown at', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), (header, content) => {
        expect(typeof decodeCertificateAnswer(utf8, { header, content }).ok).toBe('boolean');
        expect(typeof decodeCertificateRequest(utf8, { header, content }).ok).toBe('boolean');
      }),
    );
  });
});
