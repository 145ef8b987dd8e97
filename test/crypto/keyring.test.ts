import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createKeyring, type GossipKey, gossipKey, keyringFromText, keyringToText } from '../../src/crypto/keyring.ts';
import { type KeptKeyring, keyringFromVault, keyringToVault } from '../../src/crypto/keyring-vault.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { createVaultRing } from '../../src/crypto/vault.ts';
import { unwrap } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import { refusalOf } from './fixtures.ts';

const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const keyOf = (byte: number, epoch = byte, proposer = '', revocations = 0): GossipKey =>
  gossipKey(key(byte), { epoch, proposer, revocations });
const three = () => createKeyring(keyOf(2), [keyOf(1), keyOf(5)]);

describe('a gossip key', () => {
  it('has a name that all of its facts go into, and from which nobody gets the key', () => {
    const names = [keyOf(1), keyOf(2, 1), keyOf(1, 2), keyOf(1, 1, 'node-1'), keyOf(1, 1, '', 1)].map(({ id }) => id);
    expect(new Set(names.map(({ hash }) => hash)).size).toBe(names.length);
    expect(names[0]!.hash).toMatch(/^[0-9a-f]{32}$/);
    expect(keyOf(1).id).toEqual(names[0]);
  });

  it('has 32 bytes and an epoch of 32 bits', () => {
    expect(() => keyOf(1, 0)).toThrow(RangeError);
    for (const epoch of [2 ** 32, 1.5, Number.NaN]) expect(() => keyOf(1, epoch)).toThrow(RangeError);
    expect(() => gossipKey(new Uint8Array(31), { epoch: 1, proposer: '', revocations: 0 })).toThrow(TypeError);
  });

  it('does not change when the caller’s bytes do', () => {
    const bytes = key(1);
    const made = gossipKey(bytes, { epoch: 1, proposer: '', revocations: 0 });
    bytes.fill(0);
    expect(made.key).toEqual(key(1));
  });
});

describe('a keyring', () => {
  it('seals with one key and opens with all, with several of one epoch too', () => {
    const ring = createKeyring(keyOf(2), [keyOf(1), keyOf(2), keyOf(3, 2, 'node-2')]);
    expect(ring.sealing).toEqual(keyOf(2));
    expect(ring.keys).toHaveLength(3);
    expect(ring.ofEpoch(2)).toEqual([keyOf(2), keyOf(3, 2, 'node-2')]);
    expect(ring.ofEpoch(7)).toEqual([]);
    expect(ring.key(keyOf(1).id.hash)).toEqual(keyOf(1));
    expect(ring.key(keyOf(9).id.hash)).toBe(undefined);
  });

  it('does not show its keys when printed', () => {
    expect(JSON.stringify({ ring: createKeyring(keyOf(1)) })).toBe(
      `{"ring":{"sealing":"${keyOf(1).id.hash}","keys":["${keyOf(1).id.hash}"]}}`,
    );
    expect(inspect(three(), { depth: 9 })).not.toMatch(/Uint8Array/);
  });
});

describe('a gossip key file', () => {
  it('has the key that seals, with its name, and nothing else', () => {
    const read = unwrap(keyringFromText(keyringToText(three())));
    expect([read.sealing, read.keys]).toEqual([keyOf(2), [keyOf(2)]]);
    const later = createKeyring(keyOf(7, 7, 'node-2', 4));
    expect(unwrap(keyringFromText(keyringToText(later))).sealing).toEqual(keyOf(7, 7, 'node-2', 4));
  });

  const entry = (byte: number) => ({ version: byte, key: Buffer.from(key(byte)).toString('base64') });
  const [one, two] = [entry(1), entry(2)];
  const good = { format: 1, sealing: 1, keys: [one, two] };
  it('may have several, as versions before wrote it', () => {
    const read = unwrap(keyringFromText(JSON.stringify(good)));
    expect([read.sealing, read.keys]).toEqual([keyOf(1), [keyOf(1), keyOf(2)]]);
  });

  const refused: [string, unknown][] = [
    ['no object', null],
    ['another format', { ...good, format: 2 }],
    ['no keys', { ...good, keys: [] }],
    ['keys that are no list', { ...good, keys: {} }],
    ['a sealing key that is not there', { ...good, sealing: 3 }],
    ['versions that do not ascend', { ...good, keys: [two, one] }],
    ['a version twice', { ...good, keys: [one, one] }],
    ['a version that is no number', { ...good, keys: [{ ...one, version: '1' }] }],
    ['a short key', { ...good, keys: [{ version: 1, key: 'c2VjcmV0' }] }],
    ['a key that is not canonical base64', { ...good, keys: [{ version: 1, key: `${one.key} ` }] }],
    ['a proposer that is no node', { ...good, keys: [{ ...one, proposer: 'Node 1' }] }],
    ['revocations that are no number', { ...good, keys: [{ ...one, revocations: -1 }] }],
  ];
  it.each(refused)('is refused with %s, without quoting it', (_, file) => {
    const refusal = refusalOf(keyringFromText(JSON.stringify(file)));
    expect(refusal.code).toBe('MALFORMED');
    expect(refusal.text).not.toMatch(/c2Vj|AQEB/);
  });

  it('is refused when it is no JSON, or too long', () => {
    expect(refusalOf(keyringFromText('{')).code).toBe('MALFORMED');
    expect(refusalOf(keyringFromText(' '.repeat(limits.pemBytesMax + 1))).code).toBe('LIMIT_EXCEEDED');
    const many = Array.from({ length: limits.gossipKeysMax + 1 }, (_, at) => ({ ...one, version: at + 1 }));
    expect(refusalOf(keyringFromText(JSON.stringify({ ...good, keys: many }))).code).toBe('LIMIT_EXCEEDED');
  });
});

describe('a keyring that is kept', () => {
  const vault = createVaultRing(osCrypto);
  const owner = { clusterId: 'cluster-1', nodeId: 'node-1' };
  const kept: KeptKeyring = { keyring: three(), candidate: keyOf(5).id.hash, switchedAt: 1_700_000_000_000 };
  const text = keyringToVault(osCrypto, vault, owner, kept);

  it('round trips, and no key is in it in clear', () => {
    const read = unwrap(keyringFromVault(vault, owner, text));
    expect([read.keyring.sealing, read.keyring.keys]).toEqual([kept.keyring.sealing, kept.keyring.keys]);
    expect([read.candidate, read.switchedAt]).toEqual([kept.candidate, kept.switchedAt]);
    for (const { key: bytes } of kept.keyring.keys)
      for (const form of ['hex', 'base64', 'base64url'] as const)
        expect(text).not.toContain(Buffer.from(bytes).toString(form).slice(0, 20));
  });

  it('is nobody else’s, and nothing that was put together from it', () => {
    const [seal, body = ''] = text.split('\n');
    const changed = (from: string, to: string): string => `${seal}\n${body.replace(from, to)}`;
    for (const [what, by] of [
      [text, { ...owner, nodeId: 'node-2' }],
      [text, { ...owner, clusterId: 'cluster-2' }],
      [changed(`"sealing":"${keyOf(2).id.hash}"`, `"sealing":"${keyOf(1).id.hash}"`), owner],
      [changed('"epoch":5', '"epoch":6'), owner],
      ['', owner],
      [body, owner],
    ] as const)
      expect(refusalOf(keyringFromVault(vault, by, what)).code).toBe('MALFORMED');
    expect(refusalOf(keyringFromVault(createVaultRing(osCrypto), owner, text)).code).toBe('MALFORMED');
  });

  it('opens after the vault was rotated, until the vault’s old key is gone', () => {
    const rotated = unwrap(vault.rotated(osCrypto));
    expect(keyringFromVault(rotated, owner, text).ok).toBe(true);
    const without = unwrap(rotated.without(vault.currentId));
    expect(refusalOf(keyringFromVault(without, owner, text)).code).toBe('SEAL_INVALID');
    expect(keyringFromVault(without, owner, keyringToVault(osCrypto, rotated, owner, kept)).ok).toBe(true);
  });
});
