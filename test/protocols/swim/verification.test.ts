import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { certifyDead, signAlive, signSuspicion } from '../../../src/protocols/swim/claim.ts';
import {
  type ClaimAuthority,
  verifyClaim,
  verifyClaims,
  verifyPacket,
} from '../../../src/protocols/swim/verification.ts';
import { unverified } from '../../../src/unverified.ts';
import { fakeAuthority, fakeSign, keyOf, utf8 } from '../../simulate/fake-claims.ts';
import { claims } from './stage.ts';

const byMallory = (bytes: Uint8Array) => fakeSign(keyOf('mallory'), bytes);
const knowsAllBut = (stranger: string): ClaimAuthority => ({
  ...fakeAuthority,
  claimKeyOf: (node) => (node === stranger ? undefined : fakeAuthority.claimKeyOf(node)),
});

describe('verifyClaim', () => {
  test.each([
    ['alive', claims.alive('a')],
    ['leave', claims.leave('a')],
    ['suspect', claims.suspect('a', 'b')],
    ['dead', claims.dead('a', ['b', 'c'])],
  ])('believes a properly signed %s', (_kind, signed) => {
    expect(verifyClaim(unverified(signed), fakeAuthority)).toEqual({ ok: true, value: signed });
  });

  test('refuses an alive that its subject did not sign', () => {
    const forged = signAlive(claims.alive('a').claim, byMallory, utf8);
    expect(verifyClaim(unverified(forged), fakeAuthority)).toMatchObject({
      ok: false,
      refusal: { code: 'SIGNATURE_INVALID' },
    });
  });

  test('refuses a certificate in which one of the signatures is an insider’s', () => {
    const forged = signSuspicion(claims.suspect('a', 'b').claim, byMallory, utf8);
    const certificate = certifyDead([claims.suspect('a', 'c'), forged], utf8);
    expect(verifyClaim(unverified(certificate), fakeAuthority)).toMatchObject({
      ok: false,
      refusal: { code: 'SIGNATURE_INVALID' },
    });
  });

  test('names the signer whose key is missing', () => {
    expect(verifyClaim(unverified(claims.dead('a', ['b', 'c'])), knowsAllBut('c'))).toMatchObject({
      ok: false,
      refusal: { code: 'UNREACHABLE', missing: 'c' },
    });
    expect(verifyClaim(unverified(claims.alive('a')), knowsAllBut('a'))).toMatchObject({
      ok: false,
      refusal: { missing: 'a' },
    });
  });
});

test('one false claim does not spoil the others of its packet', () => {
  const forged = signAlive(claims.alive('b').claim, byMallory, utf8);
  const packet = { kind: 'ack' as const, seq: 1, claims: [claims.alive('a'), forged, claims.alive('c')] };
  const result = verifyPacket(unverified(packet), fakeAuthority, () => true);
  expect(result.packet).toEqual({ kind: 'ack', seq: 1, claims: [claims.alive('a'), claims.alive('c')] });
  expect(result.refusals.map(({ code }) => code)).toEqual(['SIGNATURE_INVALID']);
});

test('old news is dropped before its signature costs anything', () => {
  let checks = 0;
  const counting = { ...fakeAuthority, verify: () => ++checks > 0 };
  const list = unverified([claims.alive('a'), claims.alive('b')]);
  const result = verifyClaims(list, counting, (claim) => claim.unverified.claim.node === 'b');
  expect(checks).toBe(1);
  expect(result).toEqual({ claims: [claims.alive('b')], refusals: [] });
});

test('a list that says more about one node than can stand at once costs no more than an honest one', () => {
  let checks = 0;
  const counting = { ...fakeAuthority, verify: () => ++checks > 0 };
  const alive = Array.from({ length: 1_000 }, (_, incarnation) => claims.alive('a', 1, incarnation));
  const suspects = Array.from({ length: 1_000 }, (_, i) => claims.suspect('a', `b-${i}`));
  const result = verifyClaims(unverified([...alive, ...suspects, claims.alive('c')]), counting, () => true);
  expect(checks).toBe(1 + limits.suspicionsMax + 1);
  expect(result.claims).toContain(alive[0]);
  expect(result.claims.at(-1)).toMatchObject({ claim: { node: 'c' } });
});

test('after so many forgeries nothing more is looked at', () => {
  const forged = Array.from({ length: 1_000 }, (_, i) => signAlive(claims.alive(`a-${i}`).claim, byMallory, utf8));
  const result = verifyClaims(unverified([claims.alive('b'), ...forged, claims.alive('c')]), fakeAuthority, () => true);
  expect(result.claims).toEqual([claims.alive('b')]);
  expect(result.refusals).toHaveLength(limits.claimForgeriesMax);
});
