import { describe, expect, it } from 'vitest';
import type { AgentId } from '../../../src/names.ts';
import {
  denyAll,
  emptyPolicySet,
  type PolicySet,
  parsePolicy,
  permits,
  policyCanonicalText,
  policyFor,
  rateFor,
} from '../../../src/protocols/authorization/policy.ts';
import { alice, bob, mallory } from './fixtures.ts';

const worker = {
  receiver: 'default/bob',
  allowed_senders: ['default/alice'],
  permitted_operations: [{ performatives: ['cfp', 'request'], protocols: ['fipa-contract-net', ''] }],
  rate_limits: { default: '100/s', 'default/*': '10/s', 'default/alice': '1/min burst 3' },
};
const tenant = { receiver: 'default/*', allowed_senders: ['*'], permitted_operations: [{ performatives: '*' }] };
const all = {
  receiver: '*',
  allowed_senders: [],
  permitted_operations: [],
  denied_senders: ['evil/*'],
};

function policies(...list: unknown[]): PolicySet {
  const parsed = parsePolicy({ policies: list }, 'policy.yaml');
  if (!parsed.ok) throw new Error(parsed.refusal.reasons.join('\n'));
  return parsed.value;
}
const refusal = (value: unknown, lineOf?: (path: readonly (string | number)[]) => number | undefined) => {
  const parsed = parsePolicy(value, 'policy.yaml', lineOf);
  return parsed.ok ? { code: 'ok', reasons: [] as readonly string[] } : parsed.refusal;
};

describe('a policy file', () => {
  it('defaults to the safe side', () => {
    expect(policyFor(policies(tenant), bob)).toMatchObject({
      name: 'policy default/*',
      capabilityRequired: true,
      requiresSignedMessages: false,
      deniedSenders: [],
      rateLimits: { senders: [] },
    });
  });

  it('names the file, the line and the place of every problem', () => {
    const value = {
      policies: [{ ...worker, allowed_senders: ['default'], extra: 1, rate_limits: { default: 'fast' } }],
    };
    const { code, reasons } = refusal(value, (path) => (path.at(-1) === 'extra' ? 7 : undefined));
    expect(code).toBe('CONFIG_INVALID');
    expect(reasons).toHaveLength(3);
    expect(reasons[0]).toBe(
      'policy.yaml: policies[0].allowed_senders[0]: Expected tenant/name, tenant/* or *, found “default”.',
    );
    expect(reasons.some((reason) => reason.startsWith('policy.yaml:7: policies[0].extra: unknown key'))).toBe(true);
  });

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a list', []],
    ['an unknown key beside', { policies: [], policy: [] }],
    ['no receiver', { policies: [{ ...worker, receiver: undefined }] }],
    ['two policies for one receiver', { policies: [worker, { ...tenant, receiver: 'default/bob' }] }],
    ['no senders stated', { policies: [{ receiver: '*', permitted_operations: [] }] }],
    ['senders as text', { policies: [{ ...worker, allowed_senders: '*' }] }],
    ['a made-up performative', { policies: [{ ...worker, permitted_operations: [{ performatives: ['ask'] }] }] }],
    ['performatives as text', { policies: [{ ...worker, permitted_operations: [{ performatives: 'request' }] }] }],
    ['no performative', { policies: [{ ...worker, permitted_operations: [{ performatives: [] }] }] }],
    [
      'an empty list of protocols',
      { policies: [{ ...worker, permitted_operations: [{ performatives: '*', protocols: [] }] }] },
    ],
    ['a rate for *', { policies: [{ ...worker, rate_limits: { '*': '1/s' } }] }],
    ['a rate as a number', { policies: [{ ...worker, rate_limits: { default: 100 } }] }],
    ['yes for true', { policies: [{ ...worker, capability_required: 'no' }] }],
  ])('is refused with %s', (_, value) => {
    expect(refusal(value).code).toBe('CONFIG_INVALID');
  });

  it('is accepted when it is empty, and then nothing is allowed', () => {
    expect(policyFor(policies(), bob)).toMatchObject({ allowedSenders: [], permittedOperations: [] });
  });
});

describe('the policy for a receiver', () => {
  it('is the most specific one', () => {
    const set = policies(all, tenant, worker);
    expect(policyFor(set, bob).name).toBe('policy default/bob');
    expect(policyFor(set, alice).name).toBe('policy default/*');
    expect(policyFor(set, mallory).name).toBe('policy *');
    expect(policyFor(emptyPolicySet, bob)).toEqual({
      ...denyAll,
      name: 'default for default/bob, which no policy names,',
    });
  });

  it('keeps shut out whom a wider policy denies', () => {
    const set = policies(all, tenant, { ...worker, denied_senders: ['default/carol'] });
    expect(policyFor(set, bob).deniedSenders).toEqual(['default/carol', 'evil/*']);
    expect(policyFor(set, alice).deniedSenders).toEqual(['evil/*']);
  });

  it('is the manifest’s where the operator named only the tenant, and never undoes a denial', () => {
    const inline = policyFor(policies(worker), bob);
    const set = policies(all, tenant);
    expect(policyFor(set, bob, inline)).toMatchObject({
      name: 'manifest of default/bob',
      receiver: 'default/bob',
      allowedSenders: ['default/alice'],
      deniedSenders: ['evil/*'],
    });
    expect(policyFor(policies(worker), bob, { ...inline, allowedSenders: ['*'] }).allowedSenders).toEqual([alice]);
  });
});

describe('operations', () => {
  const policy = policyFor(policies(worker), bob);
  it.each([
    ['cfp', 'fipa-contract-net', '', true],
    ['request', '', 'any', true],
    ['cfp', 'fipa-request', '', false],
    ['inform', 'fipa-contract-net', '', false],
  ] as const)('%s in “%s” about “%s”: %s', (performative, protocol, ontology, expected) => {
    expect(permits(policy, { performative, protocol, ontology })).toBe(expected);
  });

  it('can be narrowed by ontology', () => {
    const narrow = policyFor(
      policies({ ...worker, permitted_operations: [{ performatives: '*', ontologies: ['numbers'] }] }),
      bob,
    );
    expect(permits(narrow, { performative: 'inform', protocol: '', ontology: 'numbers' })).toBe(true);
    expect(permits(narrow, { performative: 'inform', protocol: '', ontology: '' })).toBe(false);
  });

  it('are all denied by an empty list', () => {
    expect(permits(denyAll, { performative: 'inform', protocol: '', ontology: '' })).toBe(false);
  });
});

describe('the rate for a sender', () => {
  it('is its own, else its tenant’s, else the default, else none', () => {
    const policy = policyFor(policies(worker), bob);
    expect(rateFor(policy, alice)).toEqual({ count: 1, periodMs: 60_000, burst: 3 });
    expect(rateFor(policy, 'default/carol' as AgentId)?.count).toBe(10);
    expect(rateFor(policy, mallory)?.count).toBe(100);
    expect(rateFor(denyAll, mallory)).toBeUndefined();
  });
});

describe('the canonical text', () => {
  it('is the same for the same rules in another order', () => {
    const reordered = {
      rate_limits: Object.fromEntries(Object.entries(worker.rate_limits).reverse()),
      permitted_operations: [{ protocols: ['', 'fipa-contract-net'], performatives: ['request', 'cfp'] }],
      capability_required: true,
      allowed_senders: ['default/alice'],
      receiver: 'default/bob',
    };
    expect(policyCanonicalText(policies(tenant, reordered, all))).toBe(
      policyCanonicalText(policies(all, worker, tenant)),
    );
  });

  it('is read as the same set', () => {
    const set = policies(all, tenant, worker);
    const text = policyCanonicalText(set);
    expect(policyCanonicalText(policies(...JSON.parse(text).policies))).toBe(text);
  });

  it.each([
    ['a sender', { allowed_senders: ['default/alice', 'default/dave'] }],
    ['a denial', { denied_senders: ['evil/*'] }],
    ['a rate', { rate_limits: { default: '101/s' } }],
    ['an operation', { permitted_operations: [{ performatives: '*' }] }],
    ['a required signature', { requires_signed_messages: true }],
    ['a capability that is not required', { capability_required: false }],
  ])('differs by %s', (_, change) => {
    expect(policyCanonicalText(policies({ ...worker, ...change }))).not.toBe(policyCanonicalText(policies(worker)));
  });
});
