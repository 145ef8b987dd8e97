import { diffieHellman, sign, verify } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { privateKeyFromPem, privateKeyToPem } from '../../src/crypto/keys.ts';
import type { KeyType } from '../../src/crypto/port.ts';
import { unwrap } from '../../src/errors.ts';
import { insecureSeededCrypto } from '../../src/testing/seeded-crypto.ts';
import { drawChance, drawPart, seededRandom } from '../../src/testing/seeded-random.ts';

const types: readonly KeyType[] = ['ed25519', 'x25519', 'p256'];
const pemsOf = (seed: number | string): string[] => {
  const crypto = insecureSeededCrypto(seed);
  return types.map((type) => privateKeyToPem(crypto.generateKeyPair(type).privateKey));
};

it('the same seed gives the same bytes and keys, another seed others, and nothing comes twice', () => {
  const [a, b] = [insecureSeededCrypto(7), insecureSeededCrypto(7)];
  // However they are drawn.
  const split = [1, 31, 0, 40, 28].map((length) => a.randomBytes(length));
  expect(split.map(({ length }) => length)).toEqual([1, 31, 0, 40, 28]);
  expect(Buffer.concat(split)).toEqual(Buffer.from(b.randomBytes(100)));
  expect(pemsOf(7)).toEqual(pemsOf(7));
  expect(pemsOf(7)).not.toEqual(pemsOf('8'));
  const blocks = Array.from({ length: 200 }, () => Buffer.from(a.randomBytes(8)).toString('hex'));
  expect(new Set(blocks).size).toBe(200);
});

it('keys are real: they sign, agree, and are read like any other', () => {
  const crypto = insecureSeededCrypto(1);
  for (const type of ['ed25519', 'p256'] as const) {
    const { privateKey, publicKey } = crypto.generateKeyPair(type);
    const text = Buffer.from('hello');
    const digest = type === 'p256' ? 'sha256' : null;
    expect(verify(digest, text, publicKey, sign(digest, text, privateKey))).toBe(true);
    expect(unwrap(privateKeyFromPem(privateKeyToPem(privateKey))).equals(privateKey)).toBe(true);
  }
  const [x, y] = [crypto.generateKeyPair('x25519'), crypto.generateKeyPair('x25519')];
  const shared = (own: typeof x, other: typeof x) =>
    diffieHellman({ privateKey: own.privateKey, publicKey: other.publicKey }).toString('hex');
  expect(shared(x, y)).toBe(shared(y, x));
});

it('nothing of the kit can be reached from the code of a node', () => {
  const source = fileURLToPath(new URL('../../src/', import.meta.url));
  const guilty = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.startsWith('testing'))
    .filter((path) => /from '[^']*\/testing\//.test(readFileSync(join(source, path), 'utf8')));
  expect(guilty).toEqual([]);
});

it('seeded draws are parts of one, and chances as likely as they say', () => {
  const random = seededRandom(5);
  const draws = Array.from({ length: 4_000 }, () => drawPart(random));
  expect(draws.every((draw) => draw >= 0 && draw < 1)).toBe(true);
  const hits = Array.from({ length: 4_000 }, () => drawChance(random, 0.25)).filter(Boolean).length;
  expect(Math.abs(hits - 1_000)).toBeLessThan(165);
  expect([drawChance(random, 0), drawChance(random, 1)]).toEqual([false, true]);
});
