import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCertificateFields } from '../../src/crypto/certificate-fields.ts';
import { binaryString, bytesOfBinary, derOf, oidOf, parseDer } from '../../src/crypto/der.ts';
import { makeCa, nodeCertificate, refusalOf } from './fixtures.ts';

const binary = (hex: string): string => binaryString(Buffer.from(hex, 'hex'));

describe('DER', () => {
  it('reads what it writes', () => {
    for (const hex of ['3000', '300302010a', '020100', '0403000102', '0500', '06032a0304']) {
      const tree = parseDer(binary(hex));
      expect(derOf(tree)).toBe(binary(hex));
    }
    expect(oidOf(parseDer(binary('06032a0304')), 'x')).toBe('1.2.3.4');
  });

  const refused: [string, string][] = [
    ['a length in more bytes than needed', '30810302010a'],
    ['an indefinite length', '308002010a0000'],
    ['bytes after the end', '300302010a00'],
    ['too few bytes', '300402010a'],
    ['a number with needless zeros', '0203000001'],
    ['nothing', ''],
  ];
  it.each(refused)('refuses %s', (_, hex) => {
    expect(() => parseDer(binary(hex))).toThrow();
  });

  it('carries bytes through binary strings unchanged', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(bytesOfBinary(binaryString(bytes))).toEqual(bytes);
      }),
    );
  });
});

describe('a certificate’s fields', () => {
  it('are read from any bytes without a throw', () => {
    const good = nodeCertificate(makeCa());
    expect(readCertificateFields(good).ok).toBe(true);
    const edit = fc.tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        const bytes = good.slice();
        for (const [at, byte] of edits) bytes[at] = byte;
        const result = readCertificateFields(bytes);
        if (!result.ok) expect(result.refusal.code).toBe('MALFORMED');
      }),
      { numRuns: 500 },
    );
    expect(refusalOf(readCertificateFields(Uint8Array.of(0x30, 0))).code).toBe('MALFORMED');
  });
});
