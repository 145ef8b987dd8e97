import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import type { AgentId } from '../../../src/names.ts';
import { actionOfMessage, parseAction } from '../../../src/protocols/authorization/action.ts';
import type { AgentPattern } from '../../../src/protocols/authorization/agent-pattern.ts';
import {
  type Capability,
  capabilityPayload,
  checkCapability,
  grants,
  isMeantFor,
  readCapability,
} from '../../../src/protocols/authorization/capability.ts';
import { chainText, narrowed, readChain, wideningReasons } from '../../../src/protocols/authorization/delegation.ts';
import { alice, bob, capability, issuer, mallory, now, otherKey } from './fixtures.ts';

const parent: Capability = { ...capability, depth: 2, holder: otherKey };
const carol = 'default/carol' as AgentId;
const id = 'A'.repeat(43);
const child: Capability = { ...parent, subject: carol, issuer: otherKey, depth: 1, parent: id };

describe('a token that narrows another', () => {
  it('may be the same in all but its depth, for another agent of the tenant', () => {
    expect(wideningReasons(parent, child)).toEqual([]);
  });

  const open = { ...parent, audience: 'default/*' as AgentPattern };
  it.each<[string, Capability, Partial<Capability>, string]>([
    ['an action that is not held', parent, { actions: ['inform agent:default/bob'] }, 'inform agent:default/bob'],
    ['a wider action', parent, { actions: ['request agent:*'] }, 'request agent:*'],
    ['any verb', parent, { actions: ['* agent:default/bob'] }, '* agent:default/bob'],
    ['a tool', parent, { actions: ['call tool:files/read'] }, 'call tool:files/read'],
    ['an agent of another tenant', parent, { subject: mallory, tenant: 'evil' }, 'tenant default'],
    ['an earlier beginning', parent, { notBefore: parent.notBefore - 1 }, 'begins before'],
    ['a later end', parent, { expires: parent.expires + 1 }, 'expires after'],
    ['the same depth', parent, { depth: 2 }, '2 times'],
    ['no audience where there is one', open, {}, 'all receivers'],
    ['a wider audience', open, { audience: '*' }, 'meant for *'],
    ['another audience', open, { audience: 'other/*' }, 'meant for other/*'],
    ['anything, where nothing may be delegated', { ...parent, depth: 0 }, { depth: 0 }, 'may not be delegated'],
  ])('may not have %s', (_, held, over, reason) => {
    const reasons = wideningReasons(held, { ...child, ...over });
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toContain(reason);
  });

  it('is refused with all reasons, as many as a refusal holds', () => {
    const actions = Array.from({ length: 40 }, (_, at) => `inform agent:default/a${at}`);
    expect(wideningReasons(parent, { ...child, actions, expires: parent.expires + 1 })).toHaveLength(limits.reasonsMax);
  });

  it('is made only when it is one', () => {
    const nonce = capability.nonce;
    const made = narrowed(parent, id, otherKey, { subject: carol, nonce, actions: ['request agent:default/bob'] });
    expect(made).toMatchObject({ ok: true, value: { depth: 0, parent: id, actions: ['request agent:default/bob'] } });
    const wide = narrowed(parent, id, otherKey, { subject: mallory, nonce, expires: parent.expires + 1 });
    expect(wide).toMatchObject({ ok: false, refusal: { code: 'UNAUTHORIZED', reasons: { length: 2 } } });
  });

  it('needs a holder to be delegated', () => {
    const { holder: _, ...without } = parent;
    expect(() => capabilityPayload(without)).toThrow('no holder is named');
    expect(capabilityPayload({ ...without, depth: 0 })).not.toContain('holder');
    expect(readCapability(capabilityPayload(child), otherKey)).toEqual({ ok: true, value: child });
  });
});

// What counts: nobody can do with the narrower token what the wider one does not permit, whatever both say.
describe('narrowing', () => {
  const agents = [alice, bob, carol, mallory];
  const actions = [
    'request agent:default/*',
    'request agent:default/bob',
    '* agent:default/bob',
    'inform agent:*',
    '* agent:*',
  ];
  const audiences: (AgentPattern | undefined)[] = [undefined, '*', 'default/*', bob, 'evil/*'];
  const tokens: fc.Arbitrary<Capability> = fc
    .record({
      subject: fc.constantFrom(...agents),
      actions: fc.subarray(actions),
      audience: fc.constantFrom(...audiences),
      notBefore: fc.integer({ min: now - 3, max: now }),
      expires: fc.integer({ min: now + 1, max: now + 4 }),
      depth: fc.integer({ min: 0, max: 3 }),
    })
    .map(({ audience, ...rest }) => ({
      ...parent,
      ...rest,
      tenant: rest.subject.split('/')[0]!,
      ...(audience && { audience }),
    }));

  /** Mostly what narrows `wide`, and now and then something that does not. */
  const near = (wide: Capability): fc.Arbitrary<Capability> =>
    fc.tuple(tokens, fc.subarray(actions)).map(([drawn, some]) => ({
      ...drawn,
      tenant: wide.tenant,
      subject: drawn.tenant === wide.tenant ? drawn.subject : wide.subject,
      actions: some.filter((action) => wide.actions.includes(action)),
      notBefore: Math.max(drawn.notBefore, wide.notBefore),
      expires: Math.min(drawn.expires, wide.expires),
      depth: Math.min(drawn.depth, Math.max(wide.depth - 1, 0)),
      ...(wide.audience && { audience: drawn.audience ?? wide.audience }),
    }));
  const pairs = tokens.chain((wide) => near(wide).map((narrow) => [wide, narrow] as const));

  it('never lets through what the wider token does not', () => {
    const performatives = ['request', 'inform', 'cancel'] as const;
    const moments = fc.integer({ min: now - 5, max: now + 6 });
    let narrowings = 0;
    fc.assert(
      fc.property(
        pairs,
        moments,
        fc.constantFrom(...performatives),
        fc.constantFrom(...agents),
        ([wide, narrow], at, verb, to) => {
          if (wideningReasons(wide, narrow).length > 0) return;
          narrowings += 1;
          const permits = (token: Capability) =>
            checkCapability(token, { subject: token.subject, now: at, skewMs: 0 }).length === 0 &&
            isMeantFor(token, to) &&
            grants(token, actionOfMessage(verb, to));
          if (permits(narrow)) expect(permits(wide)).toBe(true);
          expect(narrow.depth).toBeLessThan(wide.depth);
          expect(narrow.tenant).toBe(wide.tenant);
        },
      ),
      { numRuns: 2_000 },
    );
    expect(narrowings).toBeGreaterThan(200);
  });

  it('is transitive, so the last token of a chain says all', () => {
    let chains = 0;
    const triples = pairs.chain(([a, b]) => near(b).map((c) => [a, b, c] as const));
    fc.assert(
      fc.property(triples, ([a, b, c]) => {
        if (wideningReasons(a, b).length > 0 || wideningReasons(b, c).length > 0) return;
        chains += 1;
        expect(wideningReasons(a, c)).toEqual([]);
      }),
      { numRuns: 2_000 },
    );
    expect(chains).toBeGreaterThan(20);
  });

  it('knows all actions that it is asked about', () => {
    for (const text of actions) expect(parseAction(text).ok).toBe(true);
  });
});

describe('the text of a chain', () => {
  it('is taken apart as it was put together', () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[\w.-]{1,40}$/), { minLength: 1, maxLength: limits.proofDepthMax + 1 }),
        (texts) => {
          const chain = texts as [string, ...string[]];
          expect(readChain(chainText(chain))).toEqual({ ok: true, value: chain });
        },
      ),
    );
  });

  it.each([
    ['longer than a token may be', 'a'.repeat(limits.tokenBytesMax + 1)],
    ['deeper than a chain may be', 'a~'.repeat(limits.proofDepthMax + 1)],
    ['of separators alone', '~'.repeat(limits.tokenBytesMax)],
  ])('is refused unread when it is %s', (_, text) => {
    const read = readChain(text);
    expect(read.ok ? 'ok' : read.refusal.code).toBe('LIMIT_EXCEEDED');
  });
});

it('issuer of the fixtures is another key than the holder', () => {
  expect(issuer).not.toBe(otherKey);
});
