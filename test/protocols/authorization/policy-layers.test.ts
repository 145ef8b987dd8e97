import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ok, unwrap } from '../../../src/errors.ts';
import { performatives } from '../../../src/protocols/acl/performative.ts';
import { authorize, type Decision } from '../../../src/protocols/authorization/authorize.ts';
import {
  clusterPolicies,
  type PolicySet,
  parsePolicy,
  policyCanonicalText,
} from '../../../src/protocols/authorization/policy.ts';
import {
  layeredRate,
  type PolicySources,
  policiesFor,
  sourcesCanonicalText,
} from '../../../src/protocols/authorization/policy-layers.ts';
import { type Rate, stricterRate } from '../../../src/protocols/authorization/rate.ts';
import { malformed, readShape } from '../../../src/protocols/json/shape.ts';
import { alice, bob, capability, header, mallory, now } from './fixtures.ts';

const set = (...policies: object[]): PolicySet => unwrap(parsePolicy({ policies }, 'policy.yaml'));
const documentOf = (...policies: object[]): PolicySet =>
  unwrap(readShape(clusterPolicies, { policies }, malformed('The policies')));
const open = {
  receiver: bob,
  allowed_senders: ['*'],
  permitted_operations: [{ performatives: '*' }],
  capability_required: false,
};
const sources = (change: Partial<PolicySources>): PolicySources => ({
  local: undefined,
  cluster: [],
  clusterRequired: false,
  ...change,
});
const inline = set(open).byReceiver.get(bob)!;
const judge = (from: PolicySources, manifest?: typeof inline, change: Partial<typeof header> = {}): Decision =>
  authorize({
    header: { ...header, ...change },
    sender: ok(undefined),
    capability: ok(capability),
    policies: policiesFor(from, bob, manifest),
    isReply: false,
    signatureValid: undefined,
    now,
    skewMs: 0,
    spend: () => ({ allowed: true, retryAfterMs: 0 }),
  });
const allows = (...args: Parameters<typeof judge>): boolean => judge(...args).effect === 'allow';

describe('the policies of a node and of its cluster', () => {
  it('are none at first: nobody may send anything, unless a manifest lets them', () => {
    expect(allows(sources({}))).toBe(false);
    expect(allows(sources({}), inline)).toBe(true);
  });

  it('let nothing through before the cluster’s are held, where they are required', () => {
    const waiting = sources({ local: set(open), clusterRequired: true });
    expect(judge(waiting, inline)).toMatchObject({
      effect: 'deny',
      policy: `default for ${bob} before the cluster’s policies are held`,
    });
    expect(allows({ ...waiting, cluster: [set(open)] }, inline)).toBe(true);
  });

  it('are a ceiling: neither the node’s file nor a manifest gets past it', () => {
    expect(allows(sources({ local: set(open), cluster: [set()] }), inline)).toBe(false);
    expect(allows(sources({ cluster: [set({ ...open, denied_senders: ['default/*'] })], local: set(open) }))).toBe(
      false,
    );
    expect(allows(sources({ cluster: [set(open)] }))).toBe(true);
  });

  it('are narrowed by the node’s file, an empty one too, and by a manifest', () => {
    expect(allows(sources({ cluster: [set(open)], local: set() }))).toBe(false);
    expect(allows(sources({ cluster: [set(open)] }), { ...inline, allowedSenders: [mallory] })).toBe(false);
    expect(allows(sources({ cluster: [set(open)] }), inline)).toBe(true);
  });

  it('name all that were asked, and give every reason', () => {
    const both = judge(sources({ local: set(open), cluster: [documentOf(open)] }));
    expect(both).toMatchObject({ effect: 'allow', policy: `cluster policy ${bob} and policy ${bob}` });
    const none = judge(sources({ local: set(), cluster: [documentOf({ ...open, allowed_senders: [] })] }));
    expect(none.effect === 'deny' && none.refusal.reasons).toEqual([
      `Cluster policy ${bob} does not allow ${alice} as a sender.`,
      `Default for ${bob}, which no policy names, does not allow ${alice} as a sender.`,
      `Default for ${bob}, which no policy names, does not permit the operation request.`,
    ]);
  });

  it('ask for a capability and a signature as soon as one of them does', () => {
    const strict = { ...open, capability_required: true, requires_signed_messages: true };
    const layers = policiesFor(sources({ local: set(open), cluster: [set(strict)] }), bob);
    const judged = (change: object) =>
      authorize({
        ...{ header, sender: ok(undefined), capability: undefined, policies: layers, isReply: false, now, skewMs: 0 },
        ...{ signatureValid: true, spend: () => ({ allowed: true, retryAfterMs: 0 }) },
        ...change,
      });
    expect(judged({})).toMatchObject({ effect: 'deny', layer: 'capability' });
    expect(judged({ capability: ok(capability), signatureValid: undefined })).toMatchObject({ layer: 'signature' });
    expect(judged({ capability: ok(capability) }).effect).toBe('allow');
  });

  const anyPolicy = fc.record({
    receiver: fc.constantFrom(bob, 'default/*', '*'),
    allowed_senders: fc.uniqueArray(fc.constantFrom(alice, 'default/*', '*', mallory), { maxLength: 2 }),
    denied_senders: fc.uniqueArray(fc.constantFrom(alice, 'default/*'), { maxLength: 1 }),
    permitted_operations: fc.array(
      fc.record({
        performatives: fc.uniqueArray(fc.constantFrom(...performatives.slice(0, 4)), { minLength: 1, maxLength: 3 }),
      }),
      { maxLength: 2 },
    ),
    capability_required: fc.boolean(),
    requires_signed_messages: fc.boolean(),
  });
  const anySet = fc
    .uniqueArray(anyPolicy, { maxLength: 3, selector: ({ receiver }) => receiver })
    .map((list) => set(...list));

  it('of one generation let nothing through that one of them would not, whichever came first, and twice as once', () => {
    fc.assert(
      fc.property(
        anySet,
        anySet,
        fc.option(anySet, { nil: undefined }),
        fc.constantFrom(...performatives.slice(0, 4)),
        (a, b, local, performative) => {
          const of = (...cluster: PolicySet[]) => allows(sources({ cluster, local }), undefined, { performative });
          const both = of(a, b);
          if (both) expect([of(a), of(b)]).toEqual([true, true]);
          expect(of(b, a)).toBe(both);
          expect(of(a, a)).toBe(of(a));
          // And a file never lets through what a document alone would not.
          if (of(a)) expect(allows(sources({ cluster: [a] }), undefined, { performative })).toBe(true);
          expect(sourcesCanonicalText(sources({ cluster: [a, b] }))).toBe(
            sourcesCanonicalText(sources({ cluster: [b, a] })),
          );
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('have the text of the one set where there is one, as before there were documents', () => {
    expect(sourcesCanonicalText(sources({ local: set(open) }))).toBe(policyCanonicalText(set(open)));
    expect(sourcesCanonicalText(sources({ cluster: [set(open)] }))).toBe(policyCanonicalText(set(open)));
    expect(sourcesCanonicalText(sources({}))).toBe(policyCanonicalText(set()));
  });

  it('keep to the slowest rate, the node’s own where one of them states none', () => {
    const ownRate = { count: 100, periodMs: 1_000, burst: 100 };
    const rate = (...rates: (string | undefined)[]): Rate => {
      const cluster = rates.map((text) =>
        set({ ...open, ...(text === undefined ? {} : { rate_limits: { default: text } }) }),
      );
      return layeredRate(policiesFor(sources({ cluster }), bob), alice, ownRate);
    };
    expect(rate('1000/s')).toMatchObject({ count: 1_000 });
    expect(rate('1000/s', undefined)).toEqual(ownRate);
    expect(rate('1000/min', '100/s burst 3')).toEqual({ count: 1_000, periodMs: 60_000, burst: 3 });
  });
});

describe('the stricter of two rates', () => {
  const anyRate = fc.record({
    count: fc.integer({ min: 1, max: 1_000_000 }),
    periodMs: fc.constantFrom(1_000, 60_000, 3_600_000, 86_400_000),
    burst: fc.integer({ min: 1, max: 1_000_000 }),
  });
  it('is no faster than either, in whatever order, and of one and the same that one', () => {
    fc.assert(
      fc.property(anyRate, anyRate, anyRate, (a, b, c) => {
        const both = stricterRate(a, b);
        for (const one of [a, b]) {
          expect(both.count * one.periodMs).toBeLessThanOrEqual(one.count * both.periodMs);
          expect(both.burst).toBeLessThanOrEqual(one.burst);
        }
        expect(stricterRate(b, a)).toEqual(both);
        expect(stricterRate(a, a)).toEqual(a);
        expect(stricterRate(stricterRate(a, b), c)).toEqual(stricterRate(a, stricterRate(b, c)));
      }),
    );
  });
});
