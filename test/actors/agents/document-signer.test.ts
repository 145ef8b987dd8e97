import { generateKeyPairSync, type KeyObject, sign as signBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { DocumentSigner, type Signer, type SigningKey } from '../../../src/actors/agents/document-signer.ts';
import { osCrypto } from '../../../src/crypto/port.ts';
import { bytesToSign, decodeDocument, signDocument, verifyDocument } from '../../../src/crypto/signed-document.ts';
import { CaxtonError, type Result, unwrap } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import { ManualClock, settle } from '../../../src/testing/manual-clock.ts';
import { refusalOf } from '../../crypto/fixtures.ts';
import { textOf } from '../messaging/messaging-lab.ts';

const { publicKey, privateKey } = osCrypto.generateKeyPair('ed25519');
const other = osCrypto.generateKeyPair('ed25519');
const payload = Buffer.from('{"what":"is signed"}');

const ed25519 = (key: KeyObject, bytes: Uint8Array): Uint8Array => new Uint8Array(signBytes(null, bytes, key));

function lab(sign: Signer['sign']) {
  const clock = new ManualClock();
  return { clock, signer: new DocumentSigner({ publicKey: textOf(publicKey), sign }, 'issuer', clock) };
}

const accepted = (text: Result<string>) =>
  verifyDocument('capability', unwrap(decodeDocument('capability', unwrap(text), 4_096)), () => publicKey);

describe('who signs documents', () => {
  it('is a private key that is held here', async () => {
    const signer = new DocumentSigner(privateKey, 'issuer', new ManualClock());
    expect(await signer.sign('capability', payload)).toEqual({
      ok: true,
      value: signDocument('capability', privateKey, payload),
    });
  });

  it('or somebody elsewhere, who is given exactly the bytes with what they are for in front', async () => {
    const asked: Uint8Array[] = [];
    const { signer } = lab(async (bytes) => {
      asked.push(bytes);
      return ed25519(privateKey, bytes);
    });
    const text = await signer.sign('capability', payload);
    expect(text).toEqual({ ok: true, value: signDocument('capability', privateKey, payload) });
    expect(accepted(text).ok).toBe(true);
    expect(asked.map((bytes) => Buffer.from(bytes).toString())).toEqual([`caxton capability v1\0${payload}`]);
    expect(Buffer.from(asked[0]!)).toEqual(Buffer.from(bytesToSign('capability', payload)));
  });

  it.each<[string, Signer['sign'], string]>([
    ['signs with another key', (bytes) => ed25519(other.privateKey, bytes), 'SIGNATURE_INVALID'],
    ['signs other bytes', (bytes) => ed25519(privateKey, bytes.subarray(1)), 'SIGNATURE_INVALID'],
    ['signs the payload without what it is for', () => ed25519(privateKey, payload), 'SIGNATURE_INVALID'],
    ['signs for another purpose', () => ed25519(privateKey, bytesToSign('deployment', payload)), 'SIGNATURE_INVALID'],
    ['gives garbage', () => new Uint8Array(64), 'SIGNATURE_INVALID'],
    ['gives too little', () => new Uint8Array(63), 'MALFORMED'],
    ['gives text', () => 'c2lnbmF0dXJl' as never, 'MALFORMED'],
    ['gives nothing', () => undefined as never, 'MALFORMED'],
    [
      'throws',
      () => {
        throw new Error('no quorum of the HSM');
      },
      'UNREACHABLE',
    ],
    ['rejects with a trap', () => Promise.reject(Object.create(null)), 'UNREACHABLE'],
    [
      'signs what it was given and has changed',
      (bytes) => {
        bytes[bytes.length - 1]! ^= 1;
        return ed25519(privateKey, bytes);
      },
      'SIGNATURE_INVALID',
    ],
  ])('is refused when it %s', async (_, sign, code) => {
    const { signer } = lab(sign);
    const refusal = refusalOf(await signer.sign('capability', payload));
    expect(refusal.code).toBe(code);
    expect(refusal.text).toContain(signer.keyId);
  });

  it('is waited for no longer than a bound, though it never answers', async () => {
    const { clock, signer } = lab(() => new Promise(() => {}));
    const signing = signer.sign('capability', payload);
    await clock.advanceAsync(limits.signatureMsMax);
    expect(refusalOf(await signing).code).toBe('TIMED_OUT');
    expect(clock.nextInMs).toBeUndefined();
  });

  it('that comes late is not used, and the next one is asked as if nothing had been', async () => {
    const late = Promise.withResolvers<Uint8Array>();
    let hangs = true;
    const { clock, signer } = lab((bytes) => (hangs ? late.promise : ed25519(privateKey, bytes)));
    const signing = signer.sign('capability', payload);
    await clock.advanceAsync(limits.signatureMsMax);
    late.resolve(ed25519(privateKey, bytesToSign('capability', payload)));
    expect(refusalOf(await signing).code).toBe('TIMED_OUT');
    hangs = false;
    expect((await signer.sign('capability', payload)).ok).toBe(true);
  });

  it('is asked for a bounded number of signatures at once; who waits too long gives its place up', async () => {
    const open: ((signature: Uint8Array) => void)[] = [];
    let hangs = true;
    const { clock, signer } = lab((bytes) =>
      hangs ? new Promise<Uint8Array>((resolve) => open.push(resolve)) : ed25519(privateKey, bytes),
    );
    const more = 40;
    const all = Array.from({ length: limits.signaturesAtOnceMax + more }, () => signer.sign('capability', payload));
    await settle();
    expect(open).toHaveLength(limits.signaturesAtOnceMax);
    const signature = ed25519(privateKey, bytesToSign('capability', payload));
    for (const resolve of open.slice(0, 10)) resolve(signature);
    await settle();
    expect(open).toHaveLength(limits.signaturesAtOnceMax + 10);
    await clock.advanceAsync(limits.signatureMsMax);
    const results = await Promise.all(all);
    expect(results.filter(({ ok }) => ok)).toHaveLength(10);
    hangs = false;
    const next = Array.from({ length: 3 * limits.signaturesAtOnceMax }, () => signer.sign('capability', payload));
    expect((await Promise.all(next)).every(({ ok }) => ok)).toBe(true);
  });

  it('cannot change a signature after it was verified', async () => {
    const mine = ed25519(privateKey, bytesToSign('capability', payload));
    const { signer } = lab(() => mine);
    const text = await signer.sign('capability', payload);
    mine.fill(0);
    expect(accepted(text).ok).toBe(true);
  });

  it.each<[string, unknown]>([
    ['a public key', publicKey],
    ['a key of another type', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey],
    ['nothing', null],
    ['a signer without a key', { sign: () => new Uint8Array(64) }],
    ['a signer whose key is no text of one', { publicKey: 'ed25519:AAAA', sign: () => new Uint8Array(64) }],
    [
      'a signer whose key is a point of small order',
      { publicKey: `ed25519:${Buffer.alloc(32).toString('base64url')}`, sign: () => new Uint8Array(64) },
    ],
    ['a signer that does not sign', { publicKey: textOf(publicKey) }],
  ])('is not %s', (_, key) => {
    expect(() => new DocumentSigner(key as SigningKey, 'issuer', new ManualClock())).toThrow(CaxtonError);
  });
});
