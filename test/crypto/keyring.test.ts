import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createKeyring, type Keyring, keyringFromText, keyringToText } from '../../src/crypto/keyring.ts';
import { unwrap } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import { refusalOf } from './fixtures.ts';

const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const three = (): Keyring => unwrap(unwrap(createKeyring(1, key(1)).added(2, key(2))).added(5, key(5)));

describe('a keyring', () => {
  it('seals with one key and opens with all', () => {
    const ring = three();
    expect(ring.sealing).toEqual({ version: 1, key: key(1) });
    expect(ring.versions).toEqual([1, 2, 5]);
    expect(ring.key(5)).toEqual(key(5));
    expect(ring.key(3)).toBe(undefined);
  });

  it('moves forward in three steps, and the old ring stays as it was', () => {
    const before = three();
    const after = unwrap(unwrap(before.sealingWith(5)).without(1));
    expect([after.sealing.version, after.versions]).toEqual([5, [2, 5]]);
    expect([before.sealing.version, before.versions]).toEqual([1, [1, 2, 5]]);
  });

  it('never goes back', () => {
    const ring = unwrap(three().sealingWith(5));
    expect(refusalOf(ring.sealingWith(2)).code).toBe('REPLAYED');
    for (const version of [1, 3, 5]) expect(refusalOf(ring.added(version, key(9))).code).toBe('REPLAYED');
    expect(refusalOf(unwrap(ring.without(1)).added(1, key(1))).code).toBe('REPLAYED');
  });

  it('keeps the sealing key and newer ones, and seals only with a held one', () => {
    expect(refusalOf(three().without(1)).code).toBe('MALFORMED');
    expect(refusalOf(three().without(2)).code).toBe('MALFORMED');
    expect(refusalOf(three().sealingWith(3)).code).toBe('MALFORMED');
  });

  it('takes keys of 32 bytes with versions of 32 bits, up to its limit', () => {
    expect(() => createKeyring(0, key(1))).toThrow(TypeError);
    expect(() => createKeyring(1, new Uint8Array(31))).toThrow(TypeError);
    for (const version of [2 ** 32, 1.5, Number.NaN])
      expect(refusalOf(three().added(version, key(6))).code).toBe('MALFORMED');
    let ring = createKeyring(1, key(1));
    for (let version = 2; version <= limits.gossipKeysMax; version++) ring = unwrap(ring.added(version, key(version)));
    expect(refusalOf(ring.added(99, key(99))).code).toBe('LIMIT_EXCEEDED');
  });

  it('does not change when the caller’s bytes do', () => {
    const bytes = key(1);
    const ring = createKeyring(1, bytes);
    bytes.fill(0);
    expect(ring.key(1)).toEqual(key(1));
  });

  it('does not show its keys when printed', () => {
    expect(JSON.stringify({ ring: three() })).toBe('{"ring":{"sealing":1,"versions":[1,2,5]}}');
    expect(inspect(three(), { depth: 9 })).not.toMatch(/Uint8Array/);
  });
});

describe('a keyring’s file', () => {
  it('round trips', () => {
    const ring = unwrap(three().sealingWith(2));
    const read = unwrap(keyringFromText(keyringToText(ring)));
    expect([read.versions, read.sealing, read.key(5)]).toEqual([[1, 2, 5], ring.sealing, key(5)]);
  });

  const good = JSON.parse(keyringToText(three())) as { keys: { version: number; key: string }[] };
  const [one, two] = good.keys;
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
    ['a key that is not canonical base64', { ...good, keys: [{ version: 1, key: `${one!.key} ` }] }],
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
