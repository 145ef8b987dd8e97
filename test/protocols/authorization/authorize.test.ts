import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ok, refuse } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import { type AuthorizationRequest, authorize } from '../../../src/protocols/authorization/authorize.ts';
import { denyAll, type Policy } from '../../../src/protocols/authorization/policy.ts';
import { alice, bob, capability, header, mallory, now } from './fixtures.ts';

const policy: Policy = {
  ...denyAll,
  name: 'policy default/bob',
  receiver: bob,
  allowedSenders: ['default/*'],
  permittedOperations: [{ performatives: ['request'] }],
};
const request: AuthorizationRequest = {
  header,
  sender: ok(undefined),
  capability: ok(capability),
  policies: [policy],
  isReply: false,
  signatureValid: undefined,
  now,
  skewMs: 0,
  spend: () => ({ allowed: true, retryAfterMs: 0 }),
};

const judge = (change: Partial<AuthorizationRequest>) => authorize({ ...request, ...change });
/** `allow`, or the layer, code and number of reasons. */
const verdict = (change: Partial<AuthorizationRequest>) => {
  const decision = judge(change);
  if (decision.effect === 'allow') return 'allow';
  return `${decision.layer} ${decision.refusal.code} ${decision.refusal.reasons.length}`;
};
const of = (change: Partial<Policy>): Partial<AuthorizationRequest> => ({
  policies: [{ ...policy, ...change }],
});

describe('authorising a message', () => {
  it('allows what sender, token and policy allow, and says why', () => {
    expect(judge({})).toEqual({
      effect: 'allow',
      policy: 'policy default/bob',
      reasons: [
        `default/alice may request default/bob: by policy default/bob, and a capability token of issuer ${capability.issuer}.`,
      ],
    });
  });

  it.each<[string, Partial<AuthorizationRequest>, string]>([
    [
      'a sender that is not who it says',
      { sender: refuse('UNAUTHORIZED', 'Not hosted there.') },
      'sender UNAUTHORIZED 1',
    ],
    ['a sender denied explicitly', of({ deniedSenders: [alice] }), 'sender UNAUTHORIZED 1'],
    ['a sender whose tenant is denied', of({ deniedSenders: ['default/*'] }), 'sender UNAUTHORIZED 1'],
    ['a policy for somebody else', of({ receiver: mallory }), 'sender UNAUTHORIZED 1'],
    ['no token', { capability: undefined }, 'capability UNAUTHORIZED 1'],
    ['a token that was refused', { capability: refuse('SIGNATURE_INVALID', 'a.', 'b.') }, 'capability UNAUTHORIZED 2'],
    ['a token of somebody else', { capability: ok({ ...capability, subject: bob }) }, 'capability UNAUTHORIZED 1'],
    ['a token not meant for it', { capability: ok({ ...capability, audience: mallory }) }, 'capability UNAUTHORIZED 1'],
    [
      'a token that grants something else',
      { capability: ok({ ...capability, actions: [] }) },
      'capability UNAUTHORIZED 1',
    ],
    ['an expired token', { now: capability.expires }, 'capability UNAUTHORIZED 1'],
    ['a token no policy asks for', { ...of({ capabilityRequired: false }), capability: undefined }, 'allow'],
    ['a sender that is not in the list', of({ allowedSenders: ['other/*'] }), 'policy UNAUTHORIZED 1'],
    ['an empty list of senders', of({ allowedSenders: [] }), 'policy UNAUTHORIZED 1'],
    ['an operation that is not permitted', of({ permittedOperations: [] }), 'policy UNAUTHORIZED 1'],
    ['no policy at all', { policies: [denyAll] }, 'policy UNAUTHORIZED 2'],
    ['no budget', { spend: () => ({ allowed: false, retryAfterMs: 5 }) }, 'rate RATE_LIMIT_EXCEEDED 1'],
    ['no signature where one is required', of({ requiresSignedMessages: true }), 'signature SIGNATURE_INVALID 1'],
    ['a signature where one is required', { ...of({ requiresSignedMessages: true }), signatureValid: true }, 'allow'],
    ['a wrong signature where none is required', { signatureValid: false }, 'signature SIGNATURE_INVALID 1'],
  ])('%s', (_, change, expected) => {
    expect(verdict(change)).toBe(expected);
  });

  it('gives every reason of sender, token and policy at once', () => {
    const decision = judge({
      sender: refuse('UNAUTHORIZED', 'Not hosted there.'),
      capability: ok({ ...capability, subject: bob, actions: [], expires: now }),
      policies: [{ ...policy, deniedSenders: ['*'], allowedSenders: [], permittedOperations: [] }],
    });
    expect(decision).toMatchObject({ effect: 'deny', layer: 'sender' });
    if (decision.effect === 'deny') expect(decision.refusal.reasons).toHaveLength(7);
  });

  it('bounds the reasons', () => {
    const [first = '', ...more] = Array.from({ length: 100 }, (_, i) => `Reason ${i}.`);
    const decision = judge({ capability: refuse('MALFORMED', first, ...more) });
    if (decision.effect === 'deny') expect(decision.refusal.reasons).toHaveLength(limits.reasonsMax);
    expect(decision.effect).toBe('deny');
  });

  it('says when to try again, unless it never makes sense', () => {
    expect(judge({ spend: () => ({ allowed: false, retryAfterMs: 250 }) })).toMatchObject({
      refusal: { retryAfterMs: 250 },
    });
    const never = judge({ spend: () => ({ allowed: false, retryAfterMs: Number.POSITIVE_INFINITY }) });
    expect(never.effect === 'deny' && 'retryAfterMs' in never.refusal).toBe(false);
  });

  it('spends only when everything before allows, and once', () => {
    let spent = 0;
    const spend = () => {
      spent++;
      return { allowed: true, retryAfterMs: 0 };
    };
    judge({ spend, capability: undefined });
    judge({ spend, policies: [denyAll] });
    judge({ spend, sender: refuse('UNAUTHORIZED', 'No.') });
    expect(spent).toBe(0);
    judge({ spend });
    expect(spent).toBe(1);
    // Signatures cost: a sender pays for one that does not fit.
    judge({ spend, signatureValid: false });
    expect(spent).toBe(2);
  });
});

describe('a reply', () => {
  const reply: Partial<AuthorizationRequest> = {
    isReply: true,
    capability: undefined,
    policies: [{ ...policy, allowedSenders: [], permittedOperations: [] }],
  };

  it('needs neither token nor allow list nor operation', () => {
    expect(verdict(reply)).toBe('allow');
    expect(verdict({ ...reply, policies: [denyAll] })).toBe('allow');
  });

  it.each<[string, Partial<AuthorizationRequest>, string]>([
    ['an explicit denial', of({ deniedSenders: ['default/*'] }), 'sender UNAUTHORIZED 1'],
    ['a sender that is not who it says', { sender: refuse('UNAUTHORIZED', 'No.') }, 'sender UNAUTHORIZED 1'],
    ['the rate', { spend: () => ({ allowed: false, retryAfterMs: 1 }) }, 'rate RATE_LIMIT_EXCEEDED 1'],
    ['a required signature', of({ requiresSignedMessages: true }), 'signature SIGNATURE_INVALID 1'],
    ['a wrong signature', { signatureValid: false }, 'signature SIGNATURE_INVALID 1'],
  ])('still meets %s', (_, change, expected) => {
    expect(verdict({ ...reply, ...change })).toBe(expected);
  });
});

describe('failing closed', () => {
  it('turns an exception into a denial that tells the sender nothing', () => {
    const decision = judge({
      spend: () => {
        throw new Error('secret detail');
      },
    });
    expect(decision).toMatchObject({ effect: 'deny', layer: 'fault', refusal: { code: 'UNAUTHORIZED' } });
    if (decision.effect === 'deny') expect(decision.refusal.reasons.join()).not.toContain('secret');
  });

  it('denies whatever fact is missing', () => {
    for (const key of ['header', 'sender', 'policies', 'spend', 'now'] as const) {
      const broken = { ...request, [key]: undefined } as unknown as AuthorizationRequest;
      expect(authorize(broken).effect, key).toBe('deny');
    }
  });

  it('allows only when all layers do: the twin is one “and”', () => {
    const coin = fc.boolean();
    const facts = fc.record({ known: coin, denied: coin, listed: coin, permitted: coin, token: coin, needed: coin });
    const more = fc.record({ budget: coin, reply: coin, signed: fc.constantFrom(true, false, undefined), sign: coin });
    fc.assert(
      fc.property(facts, more, (a, b) => {
        const decision = judge({
          sender: a.known ? ok(undefined) : refuse('UNAUTHORIZED', 'No.'),
          capability: a.token ? ok(capability) : undefined,
          isReply: b.reply,
          signatureValid: b.signed,
          spend: () => ({ allowed: b.budget, retryAfterMs: 1 }),
          policies: [
            {
              ...policy,
              deniedSenders: a.denied ? [alice] : [],
              allowedSenders: a.listed ? [alice] : [],
              permittedOperations: a.permitted ? policy.permittedOperations : [],
              capabilityRequired: a.needed,
              requiresSignedMessages: b.sign,
            },
          ],
        });
        const authority = b.reply || ((a.token || !a.needed) && a.listed && a.permitted);
        const signature = b.signed === true || (b.signed === undefined && !b.sign);
        expect(decision.effect === 'allow').toBe(a.known && !a.denied && authority && b.budget && signature);
      }),
      { numRuns: 2_000 },
    );
  });
});
