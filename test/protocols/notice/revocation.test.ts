import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeId } from '../../../src/names.ts';
import {
  certificatesUntil,
  type Revocation,
  revocableForm,
  revocationIndex,
  revocationOf,
  revocationsBody,
  revokedRefusal,
  revokedUntil,
} from '../../../src/protocols/notice/revocation.ts';

const node = 'node-4' as NodeId;
const revocation = (kind: Revocation['kind'], id: string): Revocation => ({
  ...{ kind, id, reason: 'superseded', at: 1_700_000_000_000 },
});
const upTo = (until: number, of = node): Revocation => revocation('certificates', certificatesUntil(of, until));
const keyId = 'ab'.repeat(32);

describe('the certificates of a node up to a moment', () => {
  const find = revocationIndex([upTo(5_000)]);
  const of = (over: object) => revocationOf(find, { nodeId: node, serial: '0A', notBefore: 5_000, keyId, ...over })?.id;

  it('are revoked when they began by then, whatever their serials, and those of nobody else', () => {
    expect([of({}), of({ notBefore: 0 })]).toEqual(['node-4@5000', 'node-4@5000']);
    expect([of({ notBefore: 5_001 }), of({ nodeId: 'node-40' }), of({ nodeId: undefined })]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(of({ notBefore: undefined })).toBeUndefined();
  });

  it('are revoked up to the last moment of several, in whatever order and from whatever lists', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 999 }), { minLength: 1 }), fc.integer(), (moments, other) => {
        const all = [...moments.map((until) => upTo(until)), upTo(1 + Math.abs(other), 'node-5' as NodeId)];
        expect(revokedUntil(revocationIndex(all), node)).toBe(Math.max(...moments));
        expect(revokedUntil(revocationIndex(all.toReversed()), node)).toBe(Math.max(...moments));
      }),
    );
  });

  it('are named in one form alone, and told in words', () => {
    for (const id of ['node-4', 'node-4@', 'node-4@05', 'node-4@5@6', 'Node@5', 'node-4@-5', 'node-4@5e3', '@5'])
      expect(revocableForm('certificates', id)).toContain('a node id');
    expect(revocableForm('certificates', certificatesUntil(node, 5_000))).toBeUndefined();
    const [reason] = revokedRefusal(upTo(5_000)).reasons;
    expect(reason).toMatch(/^Every certificate of node-4 that began up to 1970-01-01T00:00:05.000Z was revoked/);
  });
});

describe('a key', () => {
  it('is an Ed25519 key by its id, or that of certificates by its hash, and nothing between', () => {
    const forms = ['A'.repeat(22), keyId, keyId.toUpperCase(), keyId.slice(1), 'A'.repeat(43)];
    expect(forms.map((id) => revocableForm('key', id) === undefined)).toEqual([true, true, false, false, false]);
    const body = { revocations: [revocation('key', keyId)] };
    expect(revocationsBody(body, [], [])).toEqual(body);
  });

  it('of a certificate is asked for last: hashing it is dear', () => {
    let hashed = 0;
    const certificate = {
      serial: '0A',
      get keyId() {
        hashed++;
        return keyId;
      },
    };
    expect(revocationOf(revocationIndex([revocation('serial', '0A')]), certificate)?.kind).toBe('serial');
    expect(hashed).toBe(0);
    expect(revocationOf(revocationIndex([revocation('key', keyId)]), certificate)?.kind).toBe('key');
  });
});
