import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bindClaimKey, verifyClaimKeyBinding } from '../../src/crypto/identity.ts';
import { rawPublicKey } from '../../src/crypto/keys.ts';
import { type NodeSvid, verifyNodeSvid } from '../../src/crypto/svid.ts';
import { unwrap } from '../../src/errors.ts';
import { crypto, domain, flipBit, makeCa, nodeCertificate, now, refusalOf } from './fixtures.ts';

const ca = makeCa();
const keys = crypto.generateKeyPair('p256');
const svidOf = (pair = keys): NodeSvid =>
  unwrap(verifyNodeSvid(nodeCertificate(ca, undefined, pair), { caPem: ca.certPem, trustDomain: domain, now }));
const svid = svidOf();
const claimKey = rawPublicKey(crypto.generateKeyPair('ed25519').publicKey);
const binding = bindClaimKey(keys.privateKey, claimKey, svid);

describe('a claim-key binding', () => {
  it('gives the claim key to whoever verified the certificate', () => {
    expect(unwrap(verifyClaimKeyBinding(svid, binding))).toEqual(claimKey);
  });

  it('gives a copy: the binding may be a view into a frame', () => {
    const frame = binding.slice();
    const read = unwrap(verifyClaimKeyBinding(svid, frame));
    frame.fill(0);
    expect(read).toEqual(claimKey);
  });

  it('fails when any bit is another', () => {
    fc.assert(
      fc.property(fc.nat({ max: binding.length * 8 - 1 }), (bit) => {
        expect(verifyClaimKeyBinding(svid, flipBit(binding, bit)).ok).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  const refused: [string, () => Uint8Array, string][] = [
    ['for another node', () => bindClaimKey(keys.privateKey, claimKey, { ...svid, nodeId: 'node-2' }), 'MALFORMED'],
    [
      'for another certificate of the node',
      () => bindClaimKey(keys.privateKey, claimKey, { ...svid, serial: '01' }),
      'MALFORMED',
    ],
    [
      'signed with another key',
      () => bindClaimKey(crypto.generateKeyPair('p256').privateKey, claimKey, svid),
      'SIGNATURE_INVALID',
    ],
    ['of a claim key of small order', () => bindClaimKey(keys.privateKey, new Uint8Array(32), svid), 'MALFORMED'],
    ['that is empty', () => new Uint8Array(), 'MALFORMED'],
    ['that is cut', () => binding.slice(0, -1), 'MALFORMED'],
    ['with bytes after it', () => Uint8Array.from([...binding, 0]), 'MALFORMED'],
  ];
  it.each(refused)('is refused %s', (_, made, code) => {
    expect(refusalOf(verifyClaimKeyBinding(svid, made())).code).toBe(code);
  });

  it('does not carry over to a renewed certificate', () => {
    const renewed = svidOf(crypto.generateKeyPair('p256'));
    expect(verifyClaimKeyBinding(renewed, binding).ok).toBe(false);
    // Not even when the key stays: the serial is another.
    expect(verifyClaimKeyBinding(svidOf(), binding).ok).toBe(false);
  });

  it('is made with a certificate’s key and a whole claim key only', () => {
    expect(() => bindClaimKey(crypto.generateKeyPair('ed25519').privateKey, claimKey, svid)).toThrow(TypeError);
    expect(() => bindClaimKey(keys.privateKey, claimKey.slice(1), svid)).toThrow(TypeError);
  });
});
