import { diffieHellman, hkdfSync } from 'node:crypto';
import fc from 'fast-check';
import sodium from 'libsodium-wrappers';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { rawPublicKey, x25519PublicKey } from '../../src/crypto/keys.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import {
  datagramTag,
  derivePairSeal,
  type PairSeal,
  type PairSealOptions,
  readDatagramHead,
  sealOverheadBytes,
  sealReady,
} from '../../src/crypto/seal.ts';
import { unwrap } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import { flipBit, refusalOf } from './fixtures.ts';

const alice = { nodeId: 'alice', epoch: 3 };
const bob = { nodeId: 'bob', epoch: 7 };
const aliceBox = osCrypto.generateKeyPair('x25519');
const bobBox = osCrypto.generateKeyPair('x25519');
const gossipKey = osCrypto.randomBytes(32);
const shared = { crypto: osCrypto, gossipKey, clusterId: 'cluster', keyVersion: 1 };
const fromAlice = (change: Partial<PairSealOptions> = {}): PairSeal =>
  derivePairSeal({
    ...shared,
    ownPrivate: aliceBox.privateKey,
    peerPublic: bobBox.publicKey,
    self: alice,
    peer: bob,
    ...change,
  });
const fromBob = (change: Partial<PairSealOptions> = {}): PairSeal =>
  derivePairSeal({
    ...shared,
    ownPrivate: bobBox.privateKey,
    peerPublic: aliceBox.publicKey,
    self: bob,
    peer: alice,
    ...change,
  });
const plaintext = new TextEncoder().encode('suspect(node-3)');

beforeAll(sealReady);

describe('a pair’s seal', () => {
  it('cannot be derived before libsodium is ready', async () => {
    // Until it is ready, libsodium’s functions are undefined; here for good.
    vi.resetModules();
    vi.doMock('libsodium-wrappers', () => ({ default: { ready: Promise.resolve() } }));
    const fresh = await import('../../src/crypto/seal.ts');
    vi.doUnmock('libsodium-wrappers');
    const options = { ownPrivate: aliceBox.privateKey, peerPublic: bobBox.publicKey, self: alice, peer: bob };
    expect(() => fresh.derivePairSeal({ ...shared, ...options })).toThrow(/sealReady/);
  });

  it('opens at the other end, both ways, for every size that fits', () => {
    const a = fromAlice();
    const b = fromBob();
    const size = fc.uint8Array({ maxLength: limits.datagramBytesMax - sealOverheadBytes });
    fc.assert(
      fc.property(size, fc.maxSafeNat(), (bytes, counter) => {
        const sealed = a.seal(counter, bytes);
        expect(sealed).toHaveLength(bytes.length + sealOverheadBytes);
        expect(unwrap(b.open(sealed))).toEqual({ counter, plaintext: bytes });
        expect(unwrap(a.open(b.seal(counter, bytes)))).toEqual({ counter, plaintext: bytes });
      }),
    );
  });

  it('has the layout that it documents', () => {
    const sealed = fromAlice({ keyVersion: 0x01020304 }).seal(5, plaintext);
    const hex = Buffer.from(sealed).toString('hex');
    const tag = datagramTag(rawPublicKey(aliceBox.publicKey), rawPublicKey(bobBox.publicKey));
    expect(hex.slice(0, 42)).toBe(`0101020304${tag}0000000000000005`);
    expect(unwrap(readDatagramHead(sealed))).toEqual({ keyVersion: 0x01020304, tag });
    expect(sealOverheadBytes).toBe(1 + 4 + 8 + 8 + 24 + 16);
  });

  it('is made as documented: a second reading of the format, byte by byte, opens it', () => {
    const u64 = (value: number): string => value.toString(16).padStart(16, '0');
    const part = (hex: string): string => (hex.length / 2).toString(16).padStart(4, '0') + hex;
    const text = (value: string): string => part(Buffer.from(value).toString('hex'));
    const raw = (key: typeof aliceBox): string => part(Buffer.from(rawPublicKey(key.publicKey)).toString('hex'));
    const names = [text('cluster'), part(u64(1)), text('alice'), text('bob'), part(u64(3)), part(u64(7))].join('');
    const secret = diffieHellman({ privateKey: bobBox.privateKey, publicKey: aliceBox.publicKey });
    const info = Buffer.from(text('caxton gossip seal v1') + names + raw(aliceBox) + raw(bobBox), 'hex');
    const key = new Uint8Array(hkdfSync('sha256', Buffer.concat([secret, gossipKey]), '', info, 32));
    const associated = new Uint8Array(Buffer.from(part(u64(1)) + names + part(u64(9)), 'hex'));
    const sealed = fromAlice().seal(9, plaintext);
    const [nonce, ciphertext] = [sealed.subarray(21, 45), sealed.subarray(45)];
    const open = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt;
    expect(new Uint8Array(open(null, ciphertext, associated, nonce, key))).toEqual(plaintext);
  });

  it('opens from inside a larger buffer', () => {
    const sealed = fromAlice().seal(1, plaintext);
    const buffer = new Uint8Array(sealed.length + 20).fill(0xaa);
    buffer.set(sealed, 7);
    expect(fromBob().open(buffer.subarray(7, 7 + sealed.length)).ok).toBe(true);
  });

  it('never seals the same bytes twice, and shows nothing of them', () => {
    const a = fromAlice();
    const [one, two] = [a.seal(1, plaintext), a.seal(1, plaintext)].map((bytes) => Buffer.from(bytes));
    expect(one!.subarray(21).equals(two!.subarray(21))).toBe(false);
    expect(one!.includes('suspect') || one!.includes('alice') || one!.includes('bob')).toBe(false);
  });

  it('takes its nonce from the port', () => {
    const seeded = { ...osCrypto, randomBytes: (length: number) => new Uint8Array(length).fill(0x5a) };
    expect(Buffer.from(fromAlice({ crypto: seeded }).seal(1, plaintext)).toString('hex', 21, 45)).toBe('5a'.repeat(24));
    const short = { ...osCrypto, randomBytes: () => new Uint8Array(8) };
    expect(() => fromAlice({ crypto: short }).seal(1, plaintext)).toThrow(TypeError);
  });

  it('fails when any bit is another', () => {
    const b = fromBob();
    const sealed = fromAlice().seal(1, plaintext);
    expect(b.open(sealed).ok).toBe(true);
    for (let bit = 0; bit < sealed.length * 8; bit++) expect(b.open(flipBit(sealed, bit)).ok).toBe(false);
  });

  it('fails at every other length', () => {
    const b = fromBob();
    const sealed = fromAlice().seal(1, plaintext);
    for (let length = 0; length < sealed.length; length++) expect(b.open(sealed.slice(0, length)).ok).toBe(false);
    expect(b.open(Uint8Array.from([...sealed, 0])).ok).toBe(false);
  });

  const otherBox = osCrypto.generateKeyPair('x25519');
  const others: [string, Partial<PairSealOptions>][] = [
    ['another receiver’s boot key', { ownPrivate: otherBox.privateKey }],
    ['another sender’s boot key', { peerPublic: otherBox.publicKey }],
    ['another gossip key', { gossipKey: osCrypto.randomBytes(32) }],
    ['another key version', { keyVersion: 2 }],
    ['another cluster', { clusterId: 'cluster2' }],
    ['another receiver’s name', { self: { ...bob, nodeId: 'bobb' } }],
    ['another sender’s name', { peer: { ...alice, nodeId: 'alic' } }],
    ['another boot of the receiver', { self: { ...bob, epoch: 8 } }],
    ['another boot of the sender', { peer: { ...alice, epoch: 4 } }],
    ['names and epochs exchanged', { self: alice, peer: bob }],
  ];
  it.each(others)('does not open with %s', (_, change) => {
    expect(refusalOf(fromBob(change).open(fromAlice().seal(1, plaintext))).code).toBe('SEAL_INVALID');
  });

  it('does not open its own datagrams: a reflected one is a forgery', () => {
    const a = fromAlice();
    expect(refusalOf(a.open(a.seal(1, plaintext))).code).toBe('SEAL_INVALID');
    // Not even with the tag of the other direction.
    const sealed = Buffer.from(a.seal(1, plaintext));
    sealed.write(datagramTag(rawPublicKey(bobBox.publicKey), rawPublicKey(aliceBox.publicKey)), 5, 'hex');
    expect(refusalOf(a.open(sealed)).code).toBe('SEAL_INVALID');
  });

  it('is not forged by a third member who holds the gossip key and both public keys', () => {
    const forger = derivePairSeal({
      ...shared,
      ownPrivate: otherBox.privateKey,
      peerPublic: bobBox.publicKey,
      self: alice,
      peer: bob,
    });
    const forged = Buffer.from(forger.seal(1, plaintext));
    forged.write(datagramTag(rawPublicKey(aliceBox.publicKey), rawPublicKey(bobBox.publicKey)), 5, 'hex');
    expect(refusalOf(fromBob().open(forged)).code).toBe('SEAL_INVALID');
  });

  it('throws for what only a bug can ask', () => {
    const a = fromAlice();
    expect(() => a.seal(-1, plaintext)).toThrow(RangeError);
    expect(() => a.seal(2 ** 53, plaintext)).toThrow(RangeError);
    expect(() => a.seal(1, new Uint8Array(limits.datagramBytesMax - sealOverheadBytes + 1))).toThrow(RangeError);
    expect(() => fromAlice({ gossipKey: new Uint8Array(31) })).toThrow(TypeError);
    for (const keyVersion of [0, 1.5, 2 ** 32]) expect(() => fromAlice({ keyVersion })).toThrow(RangeError);
    expect(() => fromAlice({ self: { ...alice, epoch: Number.NaN } })).toThrow(RangeError);
  });

  it('cannot be made to throw by a peer’s box key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (raw) => {
        const key = x25519PublicKey(raw);
        if (key.ok) fromAlice({ peerPublic: key.value });
      }),
      { numRuns: 30 },
    );
  });
});

describe('a datagram’s head', () => {
  it('is refused for another format, too few bytes or too many', () => {
    const sealed = fromAlice().seal(1, new Uint8Array());
    expect(sealed).toHaveLength(sealOverheadBytes);
    expect(readDatagramHead(sealed).ok).toBe(true);
    expect(refusalOf(readDatagramHead(sealed.slice(1))).code).toBe('MALFORMED');
    expect(refusalOf(readDatagramHead(Uint8Array.from([2, ...sealed.slice(1)]))).code).toBe('MALFORMED');
    expect(refusalOf(readDatagramHead(new Uint8Array(limits.datagramBytesMax + 1))).code).toBe('LIMIT_EXCEEDED');
  });

  it('has a tag that differs by sender, receiver and direction', () => {
    const [one, two, three] = [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    const tags = [datagramTag(one, two), datagramTag(two, one), datagramTag(one, three), datagramTag(three, two)];
    expect(new Set(tags).size).toBe(4);
    for (const tag of tags) expect(tag).toMatch(/^[0-9a-f]{16}$/);
  });
});
