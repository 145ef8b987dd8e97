import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { validatePath } from '../../src/actors/cluster/identity/path-validation.ts';
import { type IssuedCertificate, issueCa, issueIntermediateCa } from '../../src/crypto/certificate.ts';
import { joinChain, orderedChain } from '../../src/crypto/certificate-chain.ts';
import { readCertificateFields } from '../../src/crypto/certificate-fields.ts';
import { encryptPrivateKey } from '../../src/crypto/encrypted-key.ts';
import {
  type ExtensionPlan,
  issueCertificate,
  keyIdentifier,
  keyIdentifierExtensions,
  permittedUri,
} from '../../src/crypto/issuance.ts';
import { privateKeyToPem } from '../../src/crypto/keys.ts';
import { verifyNodeSvid } from '../../src/crypto/svid.ts';
import { unwrap } from '../../src/errors.ts';
import { crypto, dayMs, derOf, domain, flipBit, nodeCertificate, now, period } from '../crypto/fixtures.ts';
import { crlPem, revocationList } from '../crypto/revocation-list.ts';

const work = mkdtempSync(join(tmpdir(), 'caxton-openssl-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const file = (name: string, text: string): string => {
  const path = join(work, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};

/** Whether `openssl verify` accepts, as a client’s certificate and as a server’s, at the fixtures’ time. */
function accepts(shown: Shown, ...flags: readonly string[]): boolean {
  const lists =
    shown.crls.length === 0 ? [] : ['-crl_check_all', '-CRLfile', file('crls.pem', shown.crls.map(crlPem).join(''))];
  const above = shown.intermediates.length === 0 ? [] : ['-untrusted', file('above.pem', pems(shown.intermediates))];
  return ['sslclient', 'sslserver'].every((purpose) => {
    try {
      execFileSync(
        'openssl',
        [
          ...['verify', ...flags, ...lists, ...above, '-purpose', purpose, '-attime', String(Math.floor(now / 1_000))],
          ...['-CAfile', file('root.pem', pems([shown.root])), file('leaf.pem', pems([shown.leaf]))],
        ],
        { stdio: 'ignore' },
      );
      return true;
    } catch {
      return false;
    }
  });
}

const pems = (ders: readonly Uint8Array[]): string => ders.map((der) => new X509Certificate(der).toString()).join('');

interface Shown {
  readonly root: Uint8Array;
  readonly intermediates: readonly Uint8Array[];
  readonly leaf: Uint8Array;
  readonly crls: readonly Uint8Array[];
}

/** Mostly as it should be, so that paths with one fault are common and good ones are not rare. */
const mostly = <T>(usual: T, ...others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 8, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });

const caPlan = fc.record({
  cA: mostly(true, false),
  keyCertSign: mostly(true, false),
  cRLSign: mostly(true, false),
  pathLength: mostly<number | undefined>(undefined, 0, 1),
  names: mostly<string | undefined>(undefined, domain, 'elsewhere', `.${domain}`),
  ended: mostly(false, true),
});
type Planned<A> = A extends fc.Arbitrary<infer T> ? T : never;
type CaPlan = Planned<typeof caPlan>;

const pathPlan = fc.record({
  root: fc.record({ pathLength: mostly<number | undefined>(undefined, 0, 1) }),
  above: fc.array(caPlan, { maxLength: 2 }),
  shown: mostly(true, false),
  fault: mostly('none', 'signature', 'critical', 'clients', 'ended', 'foreign', 'ca'),
  lists: fc.constantFrom('none', 'none', 'good', 'leaf', 'top', 'ended', 'missing', 'forged'),
});

/** A CA as it was planned, below another one or by itself. */
function planned(plan: CaPlan, above: IssuedCertificate | undefined): IssuedCertificate {
  const { publicKey, privateKey } = crypto.generateKeyPair('p256');
  const own = keyIdentifier(publicKey);
  const fields = above && unwrap(readCertificateFields(derOf(above.certPem)));
  const extensions: ExtensionPlan[] = [
    {
      ...{ name: 'basicConstraints', critical: true, cA: plan.cA },
      ...(plan.pathLength === undefined || !plan.cA ? {} : { pathLenConstraint: plan.pathLength }),
    },
    { name: 'keyUsage', critical: true, keyCertSign: plan.keyCertSign, cRLSign: plan.cRLSign, digitalSignature: true },
    { name: 'subjectAltName', altNames: [{ type: 6, value: `spiffe://${domain}` }] },
    ...(plan.names === undefined ? [] : [permittedUri(plan.names)]),
    ...keyIdentifierExtensions(own, fields?.subjectKeyIdentifier ?? own),
  ];
  const certPem = issueCertificate(crypto, {
    issuer: { privateKey: above ? createPrivateKey(above.keyPem) : privateKey, subject: fields?.subject },
    publicKey,
    commonName: `CA ${Buffer.from(own, 'latin1').toString('hex')}`,
    notBefore: now - 2 * dayMs,
    notAfter: plan.ended ? now - dayMs : now + 2 * dayMs,
    extensions,
  });
  return { certPem, keyPem: privateKeyToPem(privateKey) };
}

const good: CaPlan = {
  cA: true,
  keyCertSign: true,
  cRLSign: true,
  pathLength: undefined,
  names: undefined,
  ended: false,
};

function made({ root: { pathLength }, above, shown, fault, lists }: Planned<typeof pathPlan>): Shown {
  const cas = [planned({ ...good, pathLength }, undefined)];
  for (const plan of above) cas.push(planned(plan, cas.at(-1)));
  const [root] = cas;
  const issuer = cas.at(-1)!;
  const replaced = (name: string, plan: ExtensionPlan) => (one: ExtensionPlan) => (one.name === name ? plan : one);
  const leaf = nodeCertificate(issuer, ({ extensions }) => ({
    ...(fault === 'ended' ? { notBefore: now - 2 * dayMs, notAfter: now - dayMs } : {}),
    extensions:
      fault === 'critical'
        ? [...extensions, { name: 'x', id: '1.2.3.4', critical: true, value: '\x05\0' }]
        : fault === 'clients'
          ? extensions.map(replaced('extKeyUsage', { name: 'extKeyUsage', clientAuth: true }))
          : fault === 'foreign'
            ? extensions.map(
                replaced('subjectAltName', {
                  name: 'subjectAltName',
                  altNames: [{ type: 6, value: 'spiffe://elsewhere/node/node-1' }],
                }),
              )
            : fault === 'ca'
              ? extensions.map(replaced('basicConstraints', { name: 'basicConstraints', critical: true, cA: true }))
              : extensions,
  }));
  const whole = fault === 'signature' ? flipBit(leaf, 8 * leaf.length - 1) : leaf;
  const serial = (der: Uint8Array) => new X509Certificate(der).serialNumber;
  const crls = cas.map((ca, at) =>
    revocationList(ca, {
      thisUpdate: now - dayMs,
      nextUpdate: lists === 'ended' ? now - dayMs / 2 : now + dayMs,
      serials: [
        ...(lists === 'leaf' && ca === issuer ? [serial(leaf)] : []),
        ...(lists === 'top' && at === 0 && cas[1] ? [serial(derOf(cas[1].certPem))] : []),
      ],
    }),
  );
  return {
    root: derOf(root!.certPem),
    intermediates: shown ? cas.slice(1).map(({ certPem }) => derOf(certPem)) : [],
    leaf: whole,
    crls:
      lists === 'none'
        ? []
        : lists === 'missing'
          ? crls.slice(1)
          : lists === 'forged'
            ? crls.map((der) => flipBit(der, 8 * der.length - 1))
            : crls,
  };
}

describe('OpenSSL’s own program', () => {
  it('says of a path what our judgement of it says', async () => {
    const counts = { accepted: 0, refused: 0, whole: 0 };
    await fc.assert(
      fc.asyncProperty(pathPlan, async (plan) => {
        const shown = made(plan);
        const { root, intermediates, leaf, crls } = shown;
        // With “missing” and a single CA no list is left, which means that none was asked for.
        const tls = await validatePath(crypto, { leaf, intermediates, anchors: [root], crls }, Date.now() - now);
        expect(tls === undefined, JSON.stringify(tls)).toBe(accepts(shown));
        counts[tls === undefined ? 'accepted' : 'refused'] += 1;
        const chain = joinChain(orderedChain(leaf, intermediates));
        const svid = verifyNodeSvid(chain, { caPem: pems([root]), trustDomain: domain, now });
        if (tls !== undefined || !svid.ok) return;
        counts.whole += 1;
        expect(accepts(shown, '-x509_strict')).toBe(true);
      }),
      { numRuns: 250 },
    );
    process.stdout.write(`${JSON.stringify(counts)}\n`);
    expect(counts.accepted).toBeGreaterThan(20);
    expect(counts.refused).toBeGreaterThan(50);
    expect(counts.whole).toBeGreaterThan(10);
  });

  it('accepts strictly what is issued', () => {
    const root = issueCa(crypto, { trustDomain: domain, ...period });
    const online = unwrap(issueIntermediateCa(crypto, { ca: root, trustDomain: domain, ...period }));
    const crls = [root, online].map((ca) =>
      revocationList(ca, { thisUpdate: now - dayMs, nextUpdate: now + dayMs, serials: ['0A'] }),
    );
    const above = { root: derOf(root.certPem), crls };
    expect(accepts({ ...above, intermediates: [], leaf: nodeCertificate(root) }, '-x509_strict')).toBe(true);
    const below = { ...above, intermediates: [derOf(online.certPem)], leaf: nodeCertificate(online) };
    expect(accepts(below, '-x509_strict')).toBe(true);
  });

  it('opens an encrypted key with its passphrase, and with no other', () => {
    const { privateKey } = crypto.generateKeyPair('p256');
    const path = file('ca.key', encryptPrivateKey(crypto, privateKey, 'correct horse'));
    const opened = (passphrase: string) =>
      execFileSync('openssl', ['pkey', '-in', path, '-passin', `pass:${passphrase}`], { stdio: 'pipe' }).toString();
    expect(opened('correct horse')).toContain('BEGIN PRIVATE KEY');
    expect(() => opened('wrong horse')).toThrow();
  });
});
