import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isLoopback, isWildcard, parseDuration, parseHostPort } from '../../src/config/quantity.ts';

describe('a duration', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['24h', 86_400_000],
    ['30d', 2_592_000_000],
  ])('%s is %i ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '24', '24 h', '-1h', '1.5h', 'h', '1w', '1e3s', '24H', '9999999999s'])('is not “%s”', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});

describe('an address', () => {
  it.each([
    ['127.0.0.1:7701', '127.0.0.1', 7701],
    ['[::1]:7701', '::1', 7701],
    ['node-1.example.org:0', 'node-1.example.org', 0],
  ])('%s is read', (text, host, port) => {
    expect(parseHostPort(text)).toEqual({ host, port });
  });

  it.each(['', ':1', 'host', 'host:', 'host:65536', '::1:7701', '[host]:1', 'a b:1', '-a:1', 'a/b:1', '[::1]'])(
    'is not “%s”',
    (text) => {
      expect(parseHostPort(text)).toBeUndefined();
    },
  );

  it('is loopback only if nobody else can reach it', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].every(isLoopback)).toBe(true);
    expect(['0.0.0.0', '::', '192.0.2.1', '127.example.org', 'localhost.example.org'].some(isLoopback)).toBe(false);
  });

  it('is one of all interfaces in any spelling', () => {
    expect(['0.0.0.0', '::', '0::0', '0:0:0:0:0:0:0:0', '::0.0.0.0', '0'].every(isWildcard)).toBe(true);
    expect(['127.0.0.1', '::1', '10.0.0.0', 'localhost'].some(isWildcard)).toBe(false);
  });

  it('of any IPv4 host and port comes back as it was', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 65_535 }), (host, port) => {
        expect(parseHostPort(`${host}:${port}`)).toEqual({ host, port });
      }),
    );
  });
});

describe('whatever the text is', () => {
  it('a duration is its number times its unit, and never anything unsafe', () => {
    const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
    fc.assert(
      fc.property(
        fc.nat(999_999_999),
        fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[])),
        (n, unit) => {
          const ms = n * units[unit];
          expect(parseDuration(`${n}${unit}`)).toBe(Number.isSafeInteger(ms) ? ms : undefined);
        },
      ),
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), (text) => {
        const ms = parseDuration(text);
        expect(ms === undefined || (Number.isSafeInteger(ms) && ms >= 0)).toBe(true);
      }),
    );
  });

  it('an address of any IPv6 host comes back in brackets, and is none without them', () => {
    fc.assert(
      fc.property(fc.ipV6(), fc.integer({ min: 0, max: 65_535 }), (host, port) => {
        expect(parseHostPort(`[${host}]:${port}`)).toEqual({ host, port });
        expect(parseHostPort(`${host}:${port}`)).toBeUndefined();
      }),
    );
  });

  it('an address of any host name comes back as it was, and no port beyond the last', () => {
    fc.assert(
      fc.property(fc.domain(), fc.integer({ min: 0, max: 99_999 }), (host, port) => {
        expect(parseHostPort(`${host}:${port}`)).toEqual(port > 65_535 ? undefined : { host, port });
      }),
    );
  });

  it('what is read as an address has nothing that an address has not', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), fc.integer({ min: 0, max: 70_000 }), (host, port) => {
        const read = parseHostPort(`${host}:${port}`);
        expect(read === undefined || /^[\w.:-]+$/.test(read.host)).toBe(true);
      }),
    );
  });
});
