import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import type { AgentId } from '../../../src/names.ts';
import { type Capability, checkCapability } from '../../../src/protocols/authorization/capability.ts';
import { wideningReasons } from '../../../src/protocols/authorization/delegation.ts';
import {
  isRenewalDue,
  renewalDueAt,
  renewalUrgency,
  renewedCapability,
} from '../../../src/protocols/authorization/renewal.ts';

const now = 1_750_000_000_000;
const subject = 'shop/buyer' as AgentId;
const nonce = (byte: number): string => Buffer.alloc(16, byte).toString('base64url');

const capability = (over: Partial<Capability> = {}): Capability => ({
  v: 1,
  issuer: 'the-issuer',
  subject,
  tenant: 'shop',
  actions: ['request agent:shop/*'],
  notBefore: now,
  expires: now + 600_000,
  depth: 2,
  holder: `ed25519:${'A'.repeat(43)}`,
  nonce: nonce(7),
  ...over,
});

const lives = fc.integer({ min: 1, max: 10 * 365 * 86_400_000 });
const nonces = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('base64url'));

describe('the renewal of a capability', () => {
  it('is due after two thirds of its life, a little earlier by its nonce', () => {
    expect(renewalDueAt(capability({ nonce: nonce(0) })) - now).toBe(400_000);
    fc.assert(
      fc.property(nonces, (drawn) => {
        const at = (renewalDueAt(capability({ nonce: drawn })) - now) / 600_000;
        expect(at).toBeGreaterThan(2 / 3 - 1 / 20 - 1e-5);
        expect(at).toBeLessThanOrEqual(2 / 3 + 1e-5);
      }),
    );
  });

  it('spreads those that were issued in one moment over the whole of its jitter', () => {
    const at = Array.from({ length: 256 }, (_, byte) => renewalDueAt(capability({ nonce: nonce(byte) })) - now);
    expect(Math.max(...at) - Math.min(...at)).toBeGreaterThan(0.9 * (600_000 / 20));
    expect(new Set(at).size).toBeGreaterThan(200);
  });

  it('gives the very same authority for as long again, and none that is due at once', () => {
    fc.assert(
      fc.property(lives, fc.integer({ min: -1e9, max: 1e9 }), nonces, (lifeMs, passed, drawn) => {
        const before = capability({ expires: now + lifeMs });
        const at = now + passed;
        const after = renewedCapability(before, { now: at, backdatedMs: 60_000, nonce: drawn });
        const { notBefore, expires, nonce: _, ...authority } = after;
        const { notBefore: __, expires: ___, nonce: ____, ...was } = before;
        expect(authority).toEqual(was);
        expect(expires - notBefore).toBe(lifeMs);
        expect([after.nonce, checkCapability(after, { subject, now: at, skewMs: 0 })]).toEqual([drawn, []]);
        if (lifeMs >= 10) expect(isRenewalDue(after, at)).toBe(false);
        // Apart from its times it would pass as narrowed, but for what one hand-over costs of the depth.
        const same = { ...after, notBefore: before.notBefore, expires: before.expires, depth: before.depth - 1 };
        expect(wideningReasons(before, same)).toEqual([]);
      }),
    );
  });

  it('is due as well where the clock says that it does not hold yet', () => {
    const held = capability();
    expect(isRenewalDue(held, now - limits.clockSkewMsMax)).toBe(false);
    expect(isRenewalDue(held, now - limits.clockSkewMsMax - 1)).toBe(true);
  });

  it('becomes urgent when half and a tenth of the time for it are gone, and at its end', () => {
    const held = capability({ nonce: nonce(0) });
    const at = (ms: number) => renewalUrgency(held, now + ms);
    expect([at(0), at(499_000), at(500_000), at(580_000), at(600_000)]).toEqual([
      'none',
      'none',
      'half',
      'tenth',
      'over',
    ]);
  });
});
