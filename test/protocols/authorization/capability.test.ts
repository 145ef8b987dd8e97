import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import type { AgentId } from '../../../src/names.ts';
import { parseAction } from '../../../src/protocols/authorization/action.ts';
import {
  type Capability,
  capabilityPayload,
  checkCapability,
  grants,
  isMeantFor,
  readCapability,
} from '../../../src/protocols/authorization/capability.ts';
import { alice, bob, capability, issuer, mallory, now, otherKey } from './fixtures.ts';

const action = (text: string) => {
  const parsed = parseAction(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};

const capabilities: fc.Arbitrary<Capability> = fc
  .record(
    {
      v: fc.constant(1 as const),
      issuer: fc.constantFrom(issuer, otherKey),
      subject: fc.constant(alice),
      tenant: fc.constant('default'),
      audience: fc.constantFrom('*' as const, 'default/*' as const, bob),
      actions: fc.subarray(['request agent:default/*', '* agent:*', 'call tool:files/*']),
      notBefore: fc.integer({ min: 0, max: now }),
      expires: fc.integer({ min: now + 1, max: 253_402_300_799_999 }),
      depth: fc.integer({ min: 0, max: limits.proofDepthMax }),
      holder: fc.constantFrom(issuer, otherKey),
      parent: fc.constant('A'.repeat(43)),
      nonce: fc.constantFrom('AAAAAAAAAAAAAAAAAAAAAA', 'zzzzzzzzzzzz-_zzzzzzzw'),
    },
    {
      requiredKeys: ['v', 'issuer', 'subject', 'tenant', 'actions', 'notBefore', 'expires', 'depth', 'nonce'],
    },
  )
  .map((token) => (token.depth > 0 ? { holder: otherKey, ...token } : token));

describe('a capability token', () => {
  it('is read back as it was written, and written again as the same text', () => {
    fc.assert(
      fc.property(capabilities, (token) => {
        const payload = capabilityPayload(token);
        const read = readCapability(payload, token.issuer);
        expect(read).toEqual({ ok: true, value: token });
        if (read.ok) expect(capabilityPayload(read.value)).toBe(payload);
      }),
    );
  });

  it('has the same text however its keys were ordered', () => {
    const reversed = Object.fromEntries(Object.entries(capability).reverse()) as unknown as Capability;
    expect(capabilityPayload(reversed)).toBe(capabilityPayload(capability));
    expect(capabilityPayload(capability)).toBe(
      `{"v":1,"issuer":"${issuer}","subject":"default/alice","tenant":"default","actions":["request agent:default/*"],` +
        `"notBefore":${now - 1_000},"expires":${now + 60_000},"depth":0,"nonce":"AAAAAAAAAAAAAAAAAAAAAA"}`,
    );
  });

  it('is not believed when its issuer is not the key that signed', () => {
    const read = readCapability(capabilityPayload(capability), otherKey);
    expect(read.ok ? 'ok' : read.refusal.code).toBe('SIGNATURE_INVALID');
  });

  const changed = (change: Record<string, unknown>) => JSON.stringify({ ...capability, ...change });
  it.each([
    ['another version', changed({ v: 2 })],
    ['an unknown key', changed({ admin: true })],
    ['a missing key', changed({ nonce: undefined })],
    ['the tenant of somebody else', changed({ tenant: 'evil' })],
    ['a subject that is a pattern', changed({ subject: 'default/*' })],
    ['an action that is not one', changed({ actions: ['request default/echo'] })],
    ['an action twice', changed({ actions: ['* agent:*', '* agent:*'] })],
    ['too many actions', changed({ actions: Array.from({ length: 65 }, (_, i) => `request agent:a/b${i}`) })],
    ['an end before its beginning', changed({ expires: capability.notBefore })],
    ['a time as text', changed({ expires: '2030-01-01' })],
    ['a time after the year 9999', changed({ expires: 253_402_300_800_000 })],
    ['a negative depth', changed({ depth: -1 })],
    ['too deep a depth', changed({ depth: limits.proofDepthMax + 1 })],
    ['a short nonce', changed({ nonce: 'AAAA' })],
    ['a nonce with a second spelling', changed({ nonce: 'AAAAAAAAAAAAAAAAAAAAAB' })],
    ['an audience that is not a pattern', changed({ audience: 'everybody' })],
    ['a key twice', `${capabilityPayload(capability).slice(0, -1)},"depth":0}`],
    ['a list', '[]'],
  ])('is refused with %s', (_, payload) => {
    const read = readCapability(payload, issuer);
    expect(read.ok ? 'ok' : read.refusal.code).toBe('MALFORMED');
  });

  it('is refused unread when it is too long', () => {
    const read = readCapability(' '.repeat(limits.tokenBytesMax) + capabilityPayload(capability), issuer);
    expect(read.ok ? 'ok' : read.refusal.code).toBe('LIMIT_EXCEEDED');
  });

  it('is not written when nobody would read it', () => {
    expect(() => capabilityPayload({ ...capability, tenant: 'evil' })).toThrow('tenant');
  });
});

describe('whether a token speaks for a sender', () => {
  const at = (time: number, skewMs = 0, subject: AgentId = alice) =>
    checkCapability(capability, { subject, now: time, skewMs }).length;

  it.each([
    ['at its beginning', capability.notBefore, 0, 0],
    ['a millisecond too early', capability.notBefore - 1, 0, 1],
    ['a millisecond too early, forgiven', capability.notBefore - 1, 1, 0],
    ['in its last millisecond', capability.expires - 1, 0, 0],
    ['at its end', capability.expires, 0, 1],
    ['at its end, forgiven', capability.expires, 1, 0],
    ['after more than may be forgiven', capability.expires + limits.clockSkewMsMax, 10 * limits.clockSkewMsMax, 1],
    ['with a skew below zero', capability.notBefore, -5_000, 0],
    ['at a time that is not a number', Number.NaN, 0, 2],
    ['with a skew that is not a number', now, Number.NaN, 2],
  ])('%s', (_, time, skewMs, reasons) => {
    expect(at(time, skewMs)).toBe(reasons);
  });

  it('gives every reason, not only the first', () => {
    expect(at(capability.expires, 0, mallory)).toBe(2);
  });

  it('is meant for its audience, or for all without one', () => {
    expect(isMeantFor(capability, mallory)).toBe(true);
    expect(isMeantFor({ ...capability, audience: 'default/*' }, bob)).toBe(true);
    expect(isMeantFor({ ...capability, audience: 'default/*' }, mallory)).toBe(false);
  });

  it('grants what one of its actions covers', () => {
    const token = { ...capability, actions: ['inform agent:default/bob', 'request agent:default/*'] };
    expect(grants(token, action('request agent:default/bob'))).toBe(true);
    expect(grants(token, action('inform agent:default/bob'))).toBe(true);
    expect(grants(token, action('inform agent:default/carol'))).toBe(false);
    expect(grants({ ...token, actions: [] }, action('request agent:default/bob'))).toBe(false);
  });
});
