import type { KeyObject } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyId, rawPublicKey } from '../../src/crypto/keys.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import {
  type DocumentKind,
  decodeDocument,
  signDocument,
  signerOf,
  type VerifiedDocument,
  verifyDocument,
} from '../../src/crypto/signed-document.ts';
import { type Result, unwrap } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import { refusalOf } from './fixtures.ts';

const signer = osCrypto.generateKeyPair('ed25519');
const stranger = osCrypto.generateKeyPair('ed25519');
const signerId = keyId(rawPublicKey(signer.publicKey));
const kinds: [DocumentKind, string][] = [
  ['capability', 'cxcap1'],
  ['deployment', 'cxdep1'],
  ['notice', 'cxnot1'],
];
const payload = new TextEncoder().encode('{"a":1}');
const trusted = (id: string): KeyObject | undefined => (id === signerId ? signer.publicKey : undefined);

function read(kind: DocumentKind, text: string, keys = trusted): Result<VerifiedDocument> {
  const decoded = decodeDocument(kind, text, limits.noticeBytesMax);
  return decoded.ok ? verifyDocument(kind, decoded.value, keys) : decoded;
}

describe('a signed document', () => {
  it.each(kinds)('round trip: %s', (kind, prefix) => {
    const text = signDocument(kind, signer.privateKey, payload);
    expect(text.split('.').slice(0, 3)).toEqual([prefix, Buffer.from(payload).toString('base64url'), signerId]);
    const document = unwrap(read(kind, text));
    expect(document).toMatchObject({ kind, keyId: signerId });
    expect(document.payload).toEqual(payload);
    expect(document.id).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it('has an id of its own', () => {
    const id = (bytes: Uint8Array): string =>
      unwrap(read('notice', signDocument('notice', signer.privateKey, bytes))).id;
    expect(id(payload)).toBe(id(payload));
    expect(id(payload)).not.toBe(id(Uint8Array.of(1)));
  });

  it('of one kind is not one of another, whatever its prefix says', () => {
    for (const [kind, prefix] of kinds)
      for (const [other, otherPrefix] of kinds) {
        if (kind === other) continue;
        const text = signDocument(kind, signer.privateKey, payload);
        expect(refusalOf(read(other, text)).code).toBe('MALFORMED');
        expect(refusalOf(read(other, text.replace(prefix, otherPrefix))).code).toBe('SIGNATURE_INVALID');
        const decoded = unwrap(decodeDocument(kind, text, limits.tokenBytesMax));
        expect(refusalOf(verifyDocument(other, decoded, trusted)).code).toBe('SIGNATURE_INVALID');
      }
  });

  it('fails when any character is another', () => {
    const text = signDocument('capability', signer.privateKey, payload);
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n';
    fc.assert(
      fc.property(fc.nat({ max: text.length - 1 }), fc.constantFrom(...alphabet), (at, char) => {
        fc.pre(text[at] !== char);
        expect(read('capability', text.slice(0, at) + char + text.slice(at + 1)).ok).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  const good = signDocument('capability', signer.privateKey, payload);
  const parts = good.split('.');
  const malformed: [string, string][] = [
    ['nothing', ''],
    ['three parts', parts.slice(0, 3).join('.')],
    ['five parts', `${good}.AA`],
    ['padding', `${good}==`],
    ['white space', `${good}\n`],
    ['an empty payload', [parts[0], '', parts[2], parts[3]].join('.')],
    ['bits that carry nothing', [parts[0], 'AB', parts[2], parts[3]].join('.')],
    ['a short key id', [parts[0], parts[1], 'AAAA', parts[3]].join('.')],
    ['a short signature', [parts[0], parts[1], parts[2], 'AAAA'].join('.')],
    ['characters outside ASCII', [parts[0], 'ä', parts[2], parts[3]].join('.')],
  ];
  it.each(malformed)('refuses %s', (_, text) => {
    expect(refusalOf(decodeDocument('capability', text, limits.tokenBytesMax)).code).toBe('MALFORMED');
  });

  it('looks at the size first, the caller’s and its own', () => {
    expect(refusalOf(decodeDocument('capability', good, good.length - 1)).code).toBe('LIMIT_EXCEEDED');
    expect(decodeDocument('capability', good, good.length).ok).toBe(true);
    const long = 'x'.repeat(limits.tokenBytesMax + 1);
    expect(refusalOf(decodeDocument('capability', long, Number.MAX_SAFE_INTEGER)).code).toBe('LIMIT_EXCEEDED');
    expect(() => signDocument('capability', signer.privateKey, new Uint8Array(limits.tokenBytesMax))).toThrow(
      RangeError,
    );
  });

  it('counts only with a trusted key, and that key is the one its id names', () => {
    const foreign = signDocument('capability', stranger.privateKey, payload);
    expect(refusalOf(read('capability', foreign)).text).toMatch('not a trusted one');
    expect(refusalOf(read('capability', foreign, () => signer.publicKey)).text).toMatch('another key');
    expect(refusalOf(read('capability', good, () => osCrypto.generateKeyPair('p256').publicKey)).text).toMatch(
      'another key',
    );
    // The stranger’s signature under the signer’s id.
    const forged = [...parts.slice(0, 3), foreign.split('.')[3]].join('.');
    expect(refusalOf(read('capability', forged)).text).toMatch('does not match');
  });
});

it('says who is named as the signer, also of what is no document', () => {
  expect(signerOf(signDocument('deployment', signer.privateKey, new Uint8Array(3)))).toBe(signerId);
  expect(signerOf('no document')).toBe('');
});
