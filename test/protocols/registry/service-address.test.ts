import { describe, expect, it } from 'vitest';
import { isServiceAddress, readServiceAddress } from '../../../src/protocols/registry/service-address.ts';

describe('the address of a service', () => {
  it.each([
    ['service:default/echo', 'best'],
    ['service:default/echo?pick=best', 'best'],
    ['service:default/echo?pick=rr', 'rr'],
    ['service:default/echo?pick=all', 'all'],
  ])('%s picks %s', (text, pick) => {
    expect(readServiceAddress(text)).toEqual({ ok: true, value: { service: 'default/echo', pick } });
  });

  it.each([
    'default/echo',
    'service:',
    'service:echo',
    'service:default/Echo',
    'service:default/echo/more',
    'service:default/echo?',
    'service:default/echo?pick=any',
    'service:default/echo?pick=rr&pick=all',
    'service:default/echo?pick=rr?pick=rr',
    'service:service:default/echo',
    ' service:default/echo',
    'SERVICE:default/echo',
    `service:default/${'a'.repeat(100_000)}`,
    'service:default/echo\u0000',
  ])('%# is refused', (text) => {
    const read = readServiceAddress(text);
    expect(read.ok ? 'ok' : read.refusal.code).toBe('MALFORMED');
    if (!read.ok) expect(read.refusal.reasons[0].length).toBeLessThan(400);
  });

  it('is known by its scheme', () => {
    expect([isServiceAddress('service:default/echo'), isServiceAddress('default/echo')]).toEqual([true, false]);
  });
});
