import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCertificateList } from '../../src/crypto/certificate-list.ts';
import { unwrap } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import { dayMs, flipBit, makeCa, now, refusalOf } from './fixtures.ts';
import { revocationList } from './revocation-list.ts';

describe('a revocation list', () => {
  const ca = makeCa();
  const list = { thisUpdate: now, nextUpdate: now + dayMs, serials: ['0A', 'FF01'], number: 300 };
  const der = revocationList(ca, list);

  it('says who lists what, since when and until when', () => {
    expect(unwrap(readCertificateList(der))).toMatchObject({
      issuer: expect.stringMatching(/^CN=Caxton CA /),
      thisUpdate: now,
      nextUpdate: now + dayMs,
      number: '300',
      revoked: [
        { serial: '0A', at: now },
        { serial: 'FF01', at: now },
      ],
    });
    expect(unwrap(readCertificateList(revocationList(ca, { ...list, serials: [] }))).revoked).toEqual([]);
  });

  it('that is another thing, cut or too long is refused', () => {
    expect(refusalOf(readCertificateList(der.subarray(0, -1))).code).toBe('MALFORMED');
    expect(refusalOf(readCertificateList(new Uint8Array())).code).toBe('MALFORMED');
    expect(refusalOf(readCertificateList(new Uint8Array(limits.certificateListBytesMax + 1))).code).toBe(
      'LIMIT_EXCEEDED',
    );
  });

  it('of whatever bytes never throws', () => {
    fc.assert(
      fc.property(fc.nat({ max: der.length * 8 - 1 }), (bit) => {
        readCertificateList(flipBit(der, bit));
      }),
    );
  });
});
