import { BlockList, isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ipAddressBytes, ipAddressText } from '../../src/crypto/ip-address.ts';

describe('an IP address’s bytes', () => {
  it.each([
    ['127.0.0.1', [127, 0, 0, 1]],
    ['255.255.255.255', [255, 255, 255, 255]],
    ['::', Array<number>(16).fill(0)],
    ['::1', [...Array<number>(15).fill(0), 1]],
    ['2001:db8::A', [0x20, 0x01, 0x0d, 0xb8, ...Array<number>(11).fill(0), 10]],
    ['::ffff:10.0.0.1', [...Array<number>(10).fill(0), 255, 255, 10, 0, 0, 1]],
    ['1:2:3:4:5:6:7:8', [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]],
    ['1:2:3:4:5:6:7::', [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 0]],
  ])('%s', (text, bytes) => {
    expect([...ipAddressBytes(text)!]).toEqual(bytes);
  });

  it.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4 ',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '12345::',
    '1:2:3:4:5:6:7:8:9',
    '::1%eth0',
    '1.2.3.4::',
    '::g',
    '1:2:3:4:5:6:7:8::',
  ])('refuses “%s”', (text) => {
    expect(ipAddressBytes(text)).toBe(undefined);
  });

  it('agrees with Node on what an address is', () => {
    const texts = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ unit: fc.constantFrom(...'0123af:.'), maxLength: 24 }));
    fc.assert(
      fc.property(texts, (text) => {
        const bytes = ipAddressBytes(text);
        expect(bytes?.length ?? 0).toBe({ 0: 0, 4: 4, 6: 16 }[isIP(text) as 0 | 4 | 6]);
        if (bytes?.length !== 16) return;
        const long = [0, 2, 4, 6, 8, 10, 12, 14]
          .map((at) => ((bytes[at]! << 8) | bytes[at + 1]!).toString(16))
          .join(':');
        const same = new BlockList();
        same.addAddress(long, 'ipv6');
        expect(same.check(text, 'ipv6')).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe('an IP address’s text', () => {
  it.each(['127.0.0.1', '::', '::1', '1::', '2001:db8::a', '1:2:3:4:5:6:7:8', '1:0:0:2::3', '1:0:2:3:4:5:6:7'])(
    '%s',
    (text) => {
      expect(ipAddressText(ipAddressBytes(text)!)).toBe(text);
    },
  );

  it('of any bytes is read as the same bytes', () => {
    const word = fc.oneof(
      { weight: 2, arbitrary: fc.constant([0, 0]) },
      fc.array(fc.nat(255), { minLength: 2, maxLength: 2 }),
    );
    fc.assert(
      fc.property(fc.array(word, { minLength: 8, maxLength: 8 }), (words) => {
        const bytes = Uint8Array.from(words.flat());
        expect(ipAddressBytes(ipAddressText(bytes))).toEqual(bytes);
      }),
    );
  });
});
