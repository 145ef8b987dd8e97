import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { validatePath } from '../../../../src/actors/cluster/identity/path-validation.ts';
import { issueIntermediateCa } from '../../../../src/crypto/certificate.ts';
import type { PathMaterial } from '../../../../src/crypto/chain-copy.ts';
import { unwrap } from '../../../../src/errors.ts';
import {
  crypto,
  dayMs,
  derOf,
  domain,
  flipBit,
  makeCa,
  nodeCertificate,
  now,
  period,
} from '../../../crypto/fixtures.ts';
import { revocationList } from '../../../crypto/revocation-list.ts';

const root = makeCa();
const online = unwrap(issueIntermediateCa(crypto, { ca: root, trustDomain: domain, ...period }));
const leaf = nodeCertificate(online);
const path: PathMaterial = { leaf, intermediates: [derOf(online.certPem)], anchors: [derOf(root.certPem)], crls: [] };
/** The machine’s clock is another one than that of these certificates. */
const atTheirTime = Date.now() - now;
const judge = async (change: Partial<PathMaterial> = {}, shiftMs = atTheirTime) =>
  (await validatePath(crypto, { ...path, ...change }, shiftMs))?.code;

const serialOf = (der: Uint8Array): string => new X509Certificate(der).serialNumber;
const lists = (
  listed: { readonly root?: readonly string[]; readonly online?: readonly string[] },
  over: { readonly thisUpdate?: number; readonly nextUpdate?: number } = {},
): Uint8Array[] =>
  [[root, listed.root ?? []] as const, [online, listed.online ?? []] as const].map(([ca, serials]) =>
    revocationList(ca, { thisUpdate: now - dayMs / 2, nextUpdate: now + dayMs / 2, serials, ...over }),
  );

describe('the TLS library', () => {
  it('accepts a path of ours, whatever stands beside it and in whatever order', async () => {
    expect(await judge()).toBeUndefined();
    const others = [derOf(makeCa().certPem), derOf(online.certPem), nodeCertificate(online)];
    expect(await judge({ intermediates: others, anchors: [derOf(makeCa().certPem), ...path.anchors] })).toBeUndefined();
    expect(await judge({ leaf: nodeCertificate(root), intermediates: [] })).toBeUndefined();
    expect(await judge({ crls: lists({}) })).toBeUndefined();
  });

  it('judges at the moment that is asked for', async () => {
    expect(await judge({}, atTheirTime - 2 * dayMs)).toBe('EXPIRED');
    expect(await judge({}, atTheirTime + 2 * dayMs)).toBe('NOT_YET_VALID');
    expect(await judge({}, 0)).toBe(Date.now() > period.notAfter ? 'EXPIRED' : 'NOT_YET_VALID');
  });

  it.each<[string, () => Partial<PathMaterial>, string]>([
    ['without the intermediate', () => ({ intermediates: [] }), 'OTHER_CA'],
    ['under another root', () => ({ anchors: [derOf(makeCa().certPem)] }), 'OTHER_CA'],
    ['without any root', () => ({ anchors: [] }), 'OTHER_CA'],
    ['with an intermediate in the place of the root', () => ({ anchors: path.intermediates }), 'OTHER_CA'],
    ['with another signature', () => ({ leaf: flipBit(leaf, 8 * leaf.length - 1) }), 'BAD_SIGNATURE'],
    [
      'with an intermediate that was changed',
      () => ({ intermediates: path.intermediates.map((der) => flipBit(der, 8 * der.length - 1)) }),
      'BAD_SIGNATURE',
    ],
    [
      'with a name that the intermediate may not sign',
      () => ({
        leaf: nodeCertificate(online, ({ extensions }) => ({
          extensions: extensions.map((one) =>
            one.name === 'subjectAltName'
              ? { ...one, altNames: [{ type: 6, value: 'spiffe://elsewhere/node/node-1' }] }
              : one,
          ),
        })),
      }),
      'NAME_CONSTRAINT',
    ],
    [
      'for clients alone',
      () => ({
        leaf: nodeCertificate(online, ({ extensions }) => ({
          extensions: extensions.map((one) =>
            one.name === 'extKeyUsage' ? { name: 'extKeyUsage', clientAuth: true } : one,
          ),
        })),
      }),
      'WRONG_EKU',
    ],
    ['with a list of one CA alone', () => ({ crls: lists({}).slice(0, 1) }), 'CRL_MISSING'],
    ['with a list that has ended', () => ({ crls: lists({}, { nextUpdate: now - dayMs / 4 }) }), 'CRL_EXPIRED'],
    ['with a list of tomorrow', () => ({ crls: lists({}, { thisUpdate: now + dayMs / 4 }) }), 'CRL_NOT_YET_VALID'],
    [
      'with a list that its CA did not sign',
      () => ({ crls: lists({}).map((der) => flipBit(der, 8 * der.length - 1)) }),
      'CRL_BAD_SIGNATURE',
    ],
    ['that is revoked', () => ({ crls: lists({ online: [serialOf(leaf)] }) }), 'REVOKED'],
    [
      'whose intermediate is revoked',
      () => ({ crls: lists({ root: [new X509Certificate(online.certPem).serialNumber] }) }),
      'REVOKED',
    ],
  ])('refuses one %s', async (_, change, code) => {
    expect(await judge(change())).toBe(code);
  });

  it('refuses what it cannot be shown', async () => {
    expect(await judge({ leaf: new Uint8Array([0x30, 0]) })).toBe('PATH_REFUSED');
    expect(await judge({ crls: [new Uint8Array([1, 2, 3])] })).toBe('PATH_REFUSED');
  });
});
