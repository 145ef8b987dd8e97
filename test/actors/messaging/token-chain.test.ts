import type { KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { grantedBy, verifyChain } from '../../../src/actors/messaging/token-chain.ts';
import { keyIdOf } from '../../../src/crypto/keys.ts';
import { osCrypto } from '../../../src/crypto/port.ts';
import { documentId } from '../../../src/crypto/signed-document.ts';
import { unwrap } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import type { AgentId } from '../../../src/names.ts';
import type { Capability } from '../../../src/protocols/authorization/capability.ts';
import type { Revocation } from '../../../src/protocols/notice/revocation.ts';
import { refusalOf } from '../../crypto/fixtures.ts';
import { alice, deployer, now, signedCapability, stranger, textOf } from './messaging-lab.ts';

const helper = 'default/helper' as AgentId;
const second = osCrypto.generateKeyPair('ed25519');
const actions = ['request agent:default/*'];

/** Alice may delegate; her key is `stranger`’s. */
const root = signedCapability(alice, actions, { depth: 3, holder: textOf(stranger.publicKey) });

function narrow(parent: string, over: Partial<Capability> = {}, key: KeyObject = stranger.privateKey): string {
  return signedCapability(helper, actions, { parent: documentId(parent), expires: now + 1_000, ...over }, key);
}

const revoking = (...revoked: string[]) => ({
  issuer: (id: string) => (id === keyIdOf(deployer.publicKey) ? deployer.publicKey : undefined),
  revoked: (kind: Revocation['kind'], id: string): Revocation | undefined =>
    revoked.includes(`${kind} ${id}`) ? { kind, id, reason: 'unspecified', at: now } : undefined,
});
const judge = (text: string, ...revoked: string[]) => verifyChain(text, revoking(...revoked));

describe('a chain of tokens', () => {
  it('gives what its last one grants, to the agent that it names', () => {
    expect(grantedBy(unwrap(judge(root)))).toMatchObject({ subject: alice });
    expect(grantedBy(unwrap(judge(`${root}~${narrow(root)}`)))).toMatchObject({ subject: helper, depth: 0, actions });
  });

  it('goes on as deep as its root says', () => {
    const child = narrow(root, { depth: 1, holder: textOf(second.publicKey) });
    const grandchild = narrow(child, { subject: alice }, second.privateKey);
    expect(unwrap(judge([root, child, grandchild].join('~')))).toHaveLength(3);
    const tooFar = narrow(grandchild, {}, second.privateKey);
    expect(refusalOf(judge([root, child, grandchild, tooFar].join('~'))).code).toBe('SIGNATURE_INVALID');
  });

  it.each([
    ['it was signed by somebody else than the holder', `${root}~${narrow(root, {}, second.privateKey)}`],
    ['the issuer itself signed it, who is not the holder', `${root}~${narrow(root, {}, deployer.privateKey)}`],
    ['it narrows another token', `${root}~${narrow(signedCapability(alice, actions))}`],
    ['it names no token that it narrows', `${root}~${signedCapability(helper, actions, {}, stranger.privateKey)}`],
    ['it stands alone', narrow(root)],
    ['an issuer signed it as a part of a chain, and it stands alone', narrow(root, {}, deployer.privateKey)],
    [
      'its root names no holder',
      (() => {
        const plain = signedCapability(alice, actions);
        return `${plain}~${narrow(plain)}`;
      })(),
    ],
    [
      'its root is by nobody who is trusted',
      (() => {
        const own = signedCapability(
          alice,
          actions,
          { depth: 3, holder: textOf(stranger.publicKey) },
          stranger.privateKey,
        );
        return `${own}~${narrow(own)}`;
      })(),
    ],
    [
      'a part is missing',
      (() => {
        const child = narrow(root, { depth: 1, holder: textOf(second.publicKey) });
        return `${root}~${narrow(child, {}, second.privateKey)}`;
      })(),
    ],
  ])('is not believed when %s', (_, text) => {
    expect(refusalOf(judge(text)).code).toBe('SIGNATURE_INVALID');
  });

  it('says whose key signed away more than it had', () => {
    const wide = narrow(root, { actions: ['* agent:*'], expires: now + 9_000_000 });
    const refused = judge(`${root}~${wide}`);
    expect(refused).toMatchObject({
      refusal: { code: 'UNAUTHORIZED', widenedBy: keyIdOf(stranger.publicKey), reasons: { length: 2 } },
    });
  });

  it('falls with each of its parts and their signers, and so with whatever descends from them', () => {
    const child = narrow(root, { depth: 1, holder: textOf(second.publicKey) });
    const text = [root, child, narrow(child, {}, second.privateKey)].join('~');
    expect(judge(text).ok).toBe(true);
    for (const revoked of [
      `token ${documentId(root)}`,
      `token ${documentId(child)}`,
      `key ${keyIdOf(deployer.publicKey)}`,
      `key ${keyIdOf(stranger.publicKey)}`,
      `key ${keyIdOf(second.publicKey)}`,
    ])
      expect(refusalOf(judge(text, revoked)).code).toBe('REVOKED');
  });

  it.each([
    ['no bytes', ''],
    ['a separator', '~'],
    ['an empty link', `${root}~`],
    ['one link twice', `${root}~${narrow(root)}~${narrow(root)}`],
    ['the root twice', `${root}~${root}`],
    ['separators', '~'.repeat(limits.tokenBytesMax)],
  ])('is refused without a crash when it is %s', (_, text) => {
    expect(judge(text).ok).toBe(false);
  });
});
