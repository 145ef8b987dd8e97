import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isLoopback, parseDuration, parseHostPort } from '../../src/config/quantity.ts';

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

  it('of any IPv4 host and port comes back as it was', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 65_535 }), (host, port) => {
        expect(parseHostPort(`${host}:${port}`)).toEqual({ host, port });
      }),
    );
  });
});
