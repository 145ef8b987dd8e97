import { describe, expect, it } from 'vitest';
import type { Grant } from '../../../src/actors/agents/behaviour.ts';
import { delegate } from '../../../src/actors/messaging/delegation.ts';
import { keyIdOf } from '../../../src/crypto/keys.ts';
import { osCrypto } from '../../../src/crypto/port.ts';
import { documentId } from '../../../src/crypto/signed-document.ts';
import { unwrap } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import type { AgentId } from '../../../src/names.ts';
import { refusalOf } from '../../crypto/fixtures.ts';
import { messageHeader } from './fixtures.ts';
import {
  alice,
  bob,
  messagingLab,
  now,
  signedCapability,
  signedManifest,
  stranger,
  textOf,
  trust,
} from './messaging-lab.ts';

const helper = 'default/helper' as AgentId;
const outsider = 'other/agent' as AgentId;
const actions = ['request agent:default/*', 'inform agent:default/*'];
const second = osCrypto.generateKeyPair('ed25519');

/** Alice may delegate twice; the helper has a key of its own and no token. */
function lab(over = {}) {
  const made = messagingLab();
  unwrap(
    made.registry.announce(
      alice,
      signedManifest(alice),
      signedCapability(alice, actions, { depth: 2, holder: textOf(stranger.publicKey), ...over }),
    ),
  );
  made.registry.announce(helper, signedManifest(helper, { agentKey: textOf(second.publicKey) }), '');
  made.registry.announce(bob, signedManifest(bob), '');
  const keys = new Map([
    [alice, stranger.privateKey],
    [helper, second.privateKey],
  ]);
  const world = trust();
  const parts = { trust: world, registry: made.registry, crypto: osCrypto };
  const given = (grant: Omit<Grant, 'to'> & { to?: Grant['to'] } = {}, holder: AgentId = alice) =>
    delegate({ ...parts, keyOf: (agent) => keys.get(agent) }, holder, { to: helper, ...grant });
  return { ...made, world, given };
}

describe('an agent that delegates', () => {
  it('gives another agent of its tenant what that one may present as its own', () => {
    const { authority, given } = lab();
    const token = unwrap(given({ actions: ['request agent:default/bob'] }));
    const from = (over: object) =>
      authority.decide(messageHeader({ sender: helper, token, ...over }), false, undefined);
    expect(from({}).effect).toBe('allow');
    expect(from({ receiver: alice })).toMatchObject({ effect: 'deny' });
    expect(from({ token: '' })).toMatchObject({ layer: 'capability' });
    // Transplanted: it was made for the helper.
    expect(authority.decide(messageHeader({ sender: bob, token }), false, undefined)).toMatchObject({
      layer: 'capability',
    });
  });

  it('can let it be delegated further, by the other one’s key', () => {
    const { world, given } = lab();
    const token = unwrap(given({ depth: 1 }));
    const next = unwrap(given({ token, to: bob, actions: ['request agent:default/alice'] }, helper));
    expect(unwrap(world.capability(next))).toMatchObject({ subject: bob, depth: 0 });
    expect(refusalOf(given({ token: next, to: alice }, bob)).text).toContain('no key of default/bob');
  });

  it.each<[string, Omit<Grant, 'to'> & { to?: Grant['to'] }, string]>([
    ['more than it holds', { actions: ['* agent:*'], expires: now + 9_000_000 }, 'UNAUTHORIZED'],
    ['to another tenant', { to: outsider }, 'UNAUTHORIZED'],
    ['deeper than it may', { depth: 2 }, 'UNAUTHORIZED'],
    ['further to somebody whose key nobody knows', { to: 'default/nobody', depth: 1 }, 'UNKNOWN_AGENT'],
    ['to what is no agent', { to: 'nobody' as never }, 'MALFORMED'],
    ['with a depth that is none', { depth: 0.5 }, 'MALFORMED'],
    ['with an action that is none', { actions: ['do it'] }, 'UNAUTHORIZED'],
    ['what ends before it begins', { notBefore: now + 5, expires: now + 5 }, 'MALFORMED'],
    ['by a token that is none', { token: 'cxcap1.a.b.c' }, 'MALFORMED'],
  ])('cannot give %s', (_, grant, code) => {
    expect(refusalOf(lab().given(grant)).code).toBe(code);
  });

  it('can give nothing when its own token says nothing of delegation, or it has none', () => {
    expect(refusalOf(lab({ depth: 0, holder: undefined }).given()).text).toContain('does not say');
    expect(refusalOf(lab().given({}, helper)).text).toContain('no capability token');
  });

  it('cannot give on a token that was made for somebody else', () => {
    const { given } = lab();
    const token = unwrap(given({ depth: 1 }));
    expect(refusalOf(given({ token, to: bob })).code).toBe('UNAUTHORIZED');
  });

  it('makes no token that nobody would read', () => {
    const long = Array.from({ length: 60 }, (_, at) => `request agent:default/${'x'.repeat(50)}${at}`);
    const { given } = lab({ actions: [...long, 'request agent:default/bob'] });
    expect(refusalOf(given()).code).toBe('LIMIT_EXCEEDED');
    expect(unwrap(given({ actions: ['request agent:default/bob'] })).length).toBeLessThan(limits.tokenBytesMax);
  });
});

describe('a token that was widened', () => {
  it('is refused, and on record as an escalation with the key that did it', () => {
    const { authority, audited, registry } = lab();
    const root = registry.ownDocuments(alice)!.capability;
    const wide = signedCapability(helper, ['* agent:*'], { parent: documentId(root) }, stranger.privateKey);
    const decision = authority.decide(messageHeader({ sender: helper, token: `${root}~${wide}` }), false, undefined);
    expect(decision).toMatchObject({ effect: 'deny', layer: 'capability' });
    expect(audited).toMatchObject([
      {
        type: 'PrivilegeEscalation',
        identity: helper,
        outcome: 'refused',
        metadata: { signer: keyIdOf(stranger.publicKey) },
      },
    ]);
  });
});
