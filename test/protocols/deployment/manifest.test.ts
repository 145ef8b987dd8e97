import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { parsePolicy, policyFor } from '../../../src/protocols/authorization/policy.ts';
import {
  type Manifest,
  manifestPayload,
  placementAllows,
  readManifest,
} from '../../../src/protocols/deployment/manifest.ts';
import { manifest, node1, node3 } from './fixtures.ts';

const code = (payload: string) => {
  const read = readManifest(payload);
  return read.ok ? 'ok' : read.refusal.code;
};
const changed = (change: Record<string, unknown>) => JSON.stringify({ ...manifest, ...change });

const rules = {
  allowed_senders: ['default/*'],
  permitted_operations: [{ performatives: ['request'], protocols: ['fipa-request'] }, { performatives: '*' }],
  rate_limits: { default: '10/s', 'default/alice': '1/s burst 2' },
  requires_signed_messages: true,
};

function rulesOf(fields: object): NonNullable<Manifest['policy']> {
  const parsed = parsePolicy({ policies: [{ receiver: 'default/echo', ...fields }] }, 'test');
  if (!parsed.ok) throw new Error(parsed.refusal.reasons.join());
  const { name: _, receiver: __, ...rest } = policyFor(parsed.value, manifest.agentId);
  return rest;
}

describe('a manifest', () => {
  it('is read back as it was written, and written again as the same text', () => {
    const variants = fc.record({
      kindAndCode: fc.constantFrom(
        { kind: 'handler', code: manifest.code },
        { kind: 'chart', code: 'embedded' },
        { kind: 'console', code: null },
        { kind: 'wasm', code: manifest.code },
      ) as fc.Arbitrary<Pick<Manifest, 'kind' | 'code'>>,
      services: fc.subarray(['echo', 'factoring', 'time']),
      capabilities: fc.subarray(['request agent:default/*', 'call tool:files/*']),
      generation: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    });
    fc.assert(
      fc.property(variants, ({ kindAndCode, ...rest }) => {
        const given: Manifest = { ...manifest, ...rest, ...kindAndCode };
        const payload = manifestPayload(given);
        const read = readManifest(payload);
        expect(read).toEqual({ ok: true, value: given });
        if (read.ok) expect(manifestPayload(read.value)).toBe(payload);
      }),
    );
  });

  it('carries the receiver’s own rules, in the keys of the policy file', () => {
    const policy = rulesOf(rules);
    const payload = manifestPayload({ ...manifest, policy });
    expect(JSON.parse(payload).policy).toMatchObject({
      allowed_senders: ['default/*'],
      requires_signed_messages: true,
    });
    const read = readManifest(payload);
    expect(read.ok && read.value.policy?.rateLimits).toEqual(policy.rateLimits);
    expect(read.ok && manifestPayload(read.value)).toBe(payload);
  });

  it.each([
    ['a module that leads out', { code: { ...(manifest.code as object), module: '../evil.ts' } }],
    ['a module that leads out further in', { code: { ...(manifest.code as object), module: 'a/../../evil.ts' } }],
    ['an absolute module', { code: { ...(manifest.code as object), module: '/etc/evil.ts' } }],
    ['a module with a backslash', { code: { ...(manifest.code as object), module: 'a\\..\\evil.ts' } }],
    ['a module by address', { code: { ...(manifest.code as object), module: 'https://evil/x.ts' } }],
    ['a module by data', { code: { ...(manifest.code as object), module: 'data:text/javascript,0' } }],
    ['a module of the runtime', { code: { ...(manifest.code as object), module: 'node:fs' } }],
    ['a module that is hidden', { code: { ...(manifest.code as object), module: 'a/.env' } }],
    ['a module with an empty part', { code: { ...(manifest.code as object), module: 'a//b' } }],
    ['a module with a query', { code: { ...(manifest.code as object), module: 'a.ts?x' } }],
    ['a module that is escaped', { code: { ...(manifest.code as object), module: '%2e%2e/a.ts' } }],
    ['a digest of another kind', { code: { module: 'a.ts', digest: `md5:${'0'.repeat(32)}` } }],
    ['a digest in capitals', { code: { module: 'a.ts', digest: `sha256:${'0A'.repeat(32)}` } }],
    ['no digest', { code: { module: 'a.ts' } }],
    ['no code for a handler', { code: null }],
    ['code for a console', { kind: 'console' }],
    ['embedded WebAssembly', { kind: 'wasm', code: 'embedded' }],
    ['an unknown kind', { kind: 'native' }],
    ['the tenant of somebody else', { tenant: 'evil' }],
    ['a service with a tenant', { services: ['default/echo'] }],
    ['a service twice', { services: ['echo', 'echo'] }],
    ['too many services', { services: Array.from({ length: limits.servicesMax + 1 }, (_, i) => `s${i}`) }],
    ['a capability that is not an action', { capabilities: ['everything'] }],
    ['a key that is not one', { agentKey: 'ed25519:AAAA' }],
    ['a placement of none', { placement: { nodes: [] } }],
    ['a placement everywhere', { placement: { nodes: ['*'] } }],
    ['an unknown key in the placement', { placement: { nodes: ['node-1'], zone: 'a' } }],
    ['generation 0', { generation: 0 }],
    ['a policy that does not parse', { policy: { allowed_senders: ['*'] } }],
    ['a policy that names a receiver', { policy: { ...rules, receiver: '*' } }],
    ['an unknown key', { runAsRoot: true }],
  ])('is refused with %s', (_, change) => {
    expect(code(changed(change))).toBe('MALFORMED');
  });

  it('is nobody’s to change once it is read, because others share its parts', () => {
    const read = readManifest(manifestPayload({ ...manifest, services: ['echo'] }));
    if (!read.ok) throw new Error('refused');
    const { code, services, capabilities, placement } = read.value;
    expect(() => (services as string[]).push('more')).toThrow(TypeError);
    for (const part of [code, services, capabilities, placement, placement.nodes])
      expect(Object.isFrozen(part)).toBe(true);
  });

  it('is refused unread when it is too long', () => {
    expect(code(' '.repeat(limits.manifestBytesMax) + manifestPayload(manifest))).toBe('LIMIT_EXCEEDED');
  });

  it('is not written when nobody would read it', () => {
    expect(() => manifestPayload({ ...manifest, tenant: 'evil' })).toThrow('tenant');
  });

  it('places the agent on its nodes and nowhere else', () => {
    expect(placementAllows(manifest, node1)).toBe(true);
    expect(placementAllows(manifest, node3)).toBe(false);
  });
});
