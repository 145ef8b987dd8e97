import { describe, expect, it } from 'vitest';
import { BlockSeal } from '../../src/crypto/block-seal.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { createVaultRing, vaultRingFromText } from '../../src/crypto/vault.ts';
import { unwrap } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';

const ring = createVaultRing(osCrypto);
const dataKey = osCrypto.randomBytes(32);
const context = new TextEncoder().encode('segment 1');

describe('a vault', () => {
  it('opens what it wrapped, before and after rotations, from its text as well', () => {
    const wrapped = ring.wrap(osCrypto, dataKey, context);
    const rotated = unwrap(unwrap(ring.rotated(osCrypto)).rotated(osCrypto));
    expect(rotated.currentId).not.toBe(ring.currentId);
    for (const vault of [ring, rotated, unwrap(vaultRingFromText(rotated.toText()))])
      expect(unwrap(vault.unwrap(wrapped, context))).toEqual(dataKey);
    expect(rotated.wrap(osCrypto, dataKey, context).vaultKey).toBe(rotated.currentId);
  });

  it('opens nothing for another context, with a changed bit, without the key, or of another length', () => {
    const wrapped = ring.wrap(osCrypto, dataKey, context);
    const codeOf = (result: { ok: boolean; refusal?: { code: string } }) => result.ok || result.refusal?.code;
    expect(codeOf(ring.unwrap(wrapped, new TextEncoder().encode('segment 2')))).toBe('SEAL_INVALID');
    for (let at = 0; at < wrapped.bytes.length; at++) {
      const bytes = wrapped.bytes.with(at, wrapped.bytes[at]! ^ 1);
      expect(codeOf(ring.unwrap({ ...wrapped, bytes }, context))).toBe('SEAL_INVALID');
    }
    for (const length of [0, 27, 59, 61])
      expect(codeOf(ring.unwrap({ ...wrapped, bytes: new Uint8Array(length) }, context))).toBe('SEAL_INVALID');
    const without = unwrap(unwrap(ring.rotated(osCrypto)).without(ring.currentId));
    expect(codeOf(without.unwrap(wrapped, context))).toBe('SEAL_INVALID');
  });

  it('keeps its current key, and no more keys than its bound', () => {
    expect(ring.without(ring.currentId).ok).toBe(false);
    expect(ring.without('unknown').ok).toBe(false);
    let full = ring;
    while (full.ids.length < limits.vaultKeysMax) full = unwrap(full.rotated(osCrypto));
    expect(full.rotated(osCrypto)).toMatchObject({ ok: false, refusal: { code: 'LIMIT_EXCEEDED' } });
  });

  it('shows no key when it is printed', () => {
    const secret = JSON.parse(ring.toText()).keys[0].key as string;
    expect(JSON.stringify({ ring })).not.toContain(secret);
    expect(JSON.stringify(ring)).toContain(ring.currentId);
  });

  it('gives the same secret the same stand-in, over rotations, and another vault another', () => {
    const stand = ring.hash('cxk_secret');
    expect(stand).toMatch(/^hmac:[\w-]{22}$/);
    expect(unwrap(ring.rotated(osCrypto)).hash('cxk_secret')).toBe(stand);
    expect(ring.hash('cxk_secreT')).not.toBe(stand);
    expect(createVaultRing(osCrypto).hash('cxk_secret')).not.toBe(stand);
  });

  const file = JSON.parse(ring.toText());
  it.each<[string, unknown]>([
    ['no JSON', '{'],
    ['another format', { ...file, format: 2 }],
    ['no keys', { ...file, keys: [] }],
    ['a key twice', { ...file, keys: [file.keys[0], file.keys[0]] }],
    ['a short key', { ...file, keys: [{ ...file.keys[0], key: 'AAAA' }] }],
    ['a key with another id', { ...file, keys: [{ ...file.keys[0], id: 'A'.repeat(22) }] }],
    ['a current key that is not held', { ...file, current: 'A'.repeat(22) }],
    ['no key for hashes', { ...file, hash_key: undefined }],
    ['null for a key', { ...file, keys: [null] }],
    ['nothing', null],
  ])('is not read from %s, and the refusal quotes nothing', (_, content) => {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    const read = vaultRingFromText(text);
    expect(read).toMatchObject({ ok: false, refusal: { code: 'MALFORMED' } });
    if (!read.ok) expect(read.refusal.reasons.join()).not.toContain(file.keys[0].key);
  });
});

describe('a sealed block', () => {
  const seal = new BlockSeal(dataKey, context);
  const head = Uint8Array.of(1, 2, 3);
  const text = new TextEncoder().encode('what happened');
  const sealed = new Uint8Array(Buffer.concat(seal.seal(osCrypto, head, text)));

  it('opens with its key, its file and its head, and with no other', () => {
    expect(Buffer.from(seal.open(head, sealed)!).toString()).toBe('what happened');
    expect(seal.open(Uint8Array.of(1, 2, 4), sealed)).toBeUndefined();
    expect(new BlockSeal(dataKey, head).open(head, sealed)).toBeUndefined();
    expect(new BlockSeal(osCrypto.randomBytes(32), context).open(head, sealed)).toBeUndefined();
    for (let at = 0; at < sealed.length; at++)
      expect(seal.open(head, sealed.with(at, sealed[at]! ^ 0x80))).toBeUndefined();
    for (let length = 0; length < sealed.length; length++)
      expect(seal.open(head, sealed.subarray(0, length))).toBeUndefined();
  });

  it('never has the same bytes twice', () => {
    expect(Buffer.concat(seal.seal(osCrypto, head, text))).not.toEqual(Buffer.from(sealed));
  });
});
