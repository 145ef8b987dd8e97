import { generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { issueCa, issueIntermediateCa } from '../../../src/crypto/certificate.ts';
import { readCertificateFields } from '../../../src/crypto/certificate-fields.ts';
import {
  type ExtensionPlan,
  issueCertificate,
  keyIdentifier,
  keyIdentifierExtensions,
  permittedUri,
} from '../../../src/crypto/issuance.ts';
import { privateKeyToPem } from '../../../src/crypto/keys.ts';
import { osCrypto } from '../../../src/crypto/port.ts';
import { unwrap } from '../../../src/errors.ts';
import type { RootsBody } from '../../../src/protocols/notice/roots.ts';
import { revocationOf } from '../../actors/notice-lab.ts';
import { textOf } from '../../actors/roots-lab.ts';
import { signedWithSha1, tampered } from '../lab/resigned.ts';
import { type AttackedNode, attackedNode, expectRefused, privateKey, tlsUntilCut } from './attacked-node.ts';

const hourMs = 3_600_000;
let attacked: AttackedNode;
beforeAll(async () => {
  attacked = await attackedNode();
});
afterAll(() => attacked.close());

interface Issuer {
  readonly certPem: string;
  readonly keyPem: string;
}

interface Leaf {
  readonly ca?: Issuer;
  readonly cn?: string;
  readonly uris?: readonly string[];
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly clientAuth?: boolean;
  /** The extensions as they should be, changed. */
  readonly extensions?: (planned: readonly ExtensionPlan[]) => readonly ExtensionPlan[];
  readonly keys?: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
}

interface Shown {
  readonly cert: string;
  readonly key: string;
}

const nodeUri = (id: string): string => `spiffe://${attacked.config.cluster.trustDomain}/node/${id}`;

/** A certificate as no CA should issue it; what is not said is as it should be for `stranger`. */
function leaf(over: () => Leaf = () => ({})): Shown {
  const now = Date.now();
  const { ca = attacked.ca, cn = 'stranger', uris = [nodeUri('stranger')], ...rest } = over();
  const { publicKey, privateKey: key } = rest.keys ?? osCrypto.generateKeyPair('p256');
  const { subject, subjectKeyIdentifier } = unwrap(
    readCertificateFields(new Uint8Array(new X509Certificate(ca.certPem).raw)),
  );
  const purposes = { name: 'extKeyUsage', serverAuth: true, clientAuth: rest.clientAuth ?? true };
  const planned = [
    { name: 'basicConstraints', critical: true, cA: false },
    { name: 'keyUsage', critical: true, digitalSignature: true },
    purposes,
    { name: 'subjectAltName', altNames: uris.map((value) => ({ type: 6, value })) },
    ...keyIdentifierExtensions(keyIdentifier(publicKey), subjectKeyIdentifier ?? ''),
  ];
  const cert = issueCertificate(osCrypto, {
    issuer: { privateKey: privateKey(ca.keyPem), subject },
    publicKey,
    commonName: cn,
    notBefore: rest.notBefore ?? now - hourMs,
    notAfter: rest.notAfter ?? now + hourMs,
    extensions: rest.extensions?.(planned) ?? planned,
  });
  return { cert, key: privateKeyToPem(key) };
}

/** The plan with one extension in the place of that of its name. */
const instead =
  (plan: ExtensionPlan): NonNullable<Leaf['extensions']> =>
  (planned) => [...planned.filter(({ name }) => name !== plan.name), plan];

/** A CA below another one, with the extensions of one and whatever is changed. */
function caBelow(ca: Issuer, ...changes: readonly ExtensionPlan[]): Issuer {
  const keys = osCrypto.generateKeyPair('p256');
  const plans = [
    { name: 'basicConstraints', critical: true, cA: true },
    { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
    ...changes,
  ];
  const { cert, key } = leaf(() => ({
    ca,
    keys,
    cn: `CA ${keyIdentifier(keys.publicKey).charCodeAt(0)}`,
    uris: [`spiffe://${attacked.config.cluster.trustDomain}`],
    extensions: (planned) =>
      plans.reduce((sum, plan) => instead(plan)(sum), planned).filter(({ name }) => name !== 'extKeyUsage'),
  }));
  return { certPem: cert, keyPem: key };
}

/** A leaf with the CAs above it, the nearest first. */
const below = (...cas: readonly Issuer[]): Shown => {
  const { cert, key } = leaf(() => ({ ca: cas[0]! }));
  return { cert: [cert, ...cas.map(({ certPem }) => certPem)].join(''), key };
};

let source = '127.0.0.1';

/** Shows a certificate and then talks as a peer would, for what TLS itself lets through. */
async function shows(shown: { readonly cert?: string; readonly key?: string }, more: ConnectionOptions = {}) {
  await tlsUntilCut(attacked.config, { localAddress: source, ...shown, ...more }, (socket) => socket.write(upgrade));
}

const upgrade = [
  'GET / HTTP/1.1',
  'Host: target',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  '\r\n',
].join('\r\n');

describe('the link port refuses', () => {
  const now = Date.now();
  const stranger = (): Shown => attacked.filesOf('stranger');
  const otherCa = issueCa(osCrypto, {
    trustDomain: 'dev.caxton.internal',
    notBefore: now - hourMs,
    notAfter: now + hourMs,
  });
  const weak = { ciphers: 'DEFAULT:@SECLEVEL=0' };
  const rsa = () => {
    const keys = generateKeyPairSync('rsa', { modulusLength: 1_024 });
    return leaf(() => ({ keys }));
  };
  const selfSigned = () => {
    const keys = osCrypto.generateKeyPair('p256');
    const own = { certPem: leaf(() => ({ keys })).cert, keyPem: privateKeyToPem(keys.privateKey) };
    return leaf(() => ({ keys, ca: own }));
  };
  const intermediate = () =>
    unwrap(
      issueIntermediateCa(osCrypto, {
        ca: attacked.ca,
        trustDomain: attacked.config.cluster.trustDomain,
        notBefore: now - hourMs,
        notAfter: now + hourMs,
      }),
    );
  const cases: readonly [string, () => Promise<void>, RegExp][] = [
    ['no certificate', () => shows({}), /NO_CERTIFICATE: .*DID_NOT_RETURN_A_CERTIFICATE/],
    ['TLS 1.2', () => shows(stranger(), { maxVersion: 'TLSv1.2' }), /UNSUPPORTED_PROTOCOL/],
    ['a client without ALPN', () => shows(stranger(), { ALPNProtocols: [] }), /NO_ALPN: .*did not agree/],
    ['another protocol by ALPN', () => shows(stranger(), { ALPNProtocols: ['h2'] }), /NO_ALPN: /],
    ['another CA of the same name', () => shows(leaf(() => ({ ca: otherCa }))), /^OTHER_CA: /],
    [
      'an expired one',
      () => shows(leaf(() => ({ notBefore: now - 3 * hourMs, notAfter: now - hourMs }))),
      /^EXPIRED: /,
    ],
    [
      'one of tomorrow',
      () => shows(leaf(() => ({ notBefore: now + hourMs, notAfter: now + 2 * hourMs }))),
      /^NOT_YET_VALID: /,
    ],
    ['one for servers alone', () => shows(leaf(() => ({ clientAuth: false }))), /^WRONG_EKU: .*clientAuth/],
    ['two names', () => shows(leaf(() => ({ uris: [nodeUri('stranger'), nodeUri('target')] }))), /^TWO_URI_NAMES: /],
    ['no name, only a CN', () => shows(leaf(() => ({ uris: [] }))), /^NO_URI_NAME: /],
    [
      'another trust domain',
      () => shows(leaf(() => ({ uris: ['spiffe://elsewhere/node/stranger'] }))),
      /^OTHER_TRUST_DOMAIN: /,
    ],
    ['a CN of another node', () => shows(leaf(() => ({ cn: 'friend' }))), /^CN_MISMATCH: /],
    [
      'an agent’s name',
      () => shows(leaf(() => ({ uris: ['spiffe://dev.caxton.internal/tenant/t/agent/a'] }))),
      /^WRONG_URI_NAME: /,
    ],
    [
      'a CA’s certificate',
      () => shows(leaf(() => ({ extensions: instead({ name: 'basicConstraints', critical: true, cA: true }) }))),
      /^IS_CA: /,
    ],
    [
      'no KeyUsage',
      () => shows(leaf(() => ({ extensions: (planned) => planned.filter(({ name }) => name !== 'keyUsage') }))),
      /^KEY_USAGE_MISSING: /,
    ],
    [
      'a critical extension that nobody knows',
      () =>
        shows(
          leaf(() => ({
            extensions: (all) => [...all, { name: 'x', id: '1.2.3.4', critical: true, value: '\x05\0' }],
          })),
        ),
      /^UNKNOWN_CRITICAL: /,
    ],
    [
      'a tampered signature',
      () => {
        const { cert, key } = leaf();
        return shows({ cert: tampered(cert), key });
      },
      /^BAD_SIGNATURE: /,
    ],
    [
      'SHA-1',
      () => {
        const { cert, key } = leaf();
        return shows({ cert: signedWithSha1(cert, privateKey(attacked.ca.keyPem)), key }, weak);
      },
      /^WEAK_SIGNATURE: /,
    ],
    ['RSA of 1,024 bits', () => shows(rsa(), weak), /^WEAK_KEY: /],
    ['a self-signed one', () => shows(selfSigned()), /^SELF_SIGNED: /],
    ['two CAs in between', () => shows(below(caBelow(caBelow(attacked.ca)))), /OTHER_CA: /],
    [
      'two CAs in between, both shown',
      () => {
        const upper = caBelow(attacked.ca);
        return shows(below(caBelow(upper), upper));
      },
      /^PATH_TOO_LONG: /,
    ],
    [
      'a CA below one that allows none below it',
      () => {
        const upper = intermediate();
        return shows(below(caBelow(upper), upper));
      },
      /PATH_TOO_LONG: .*PATH_LENGTH_EXCEEDED/,
    ],
    [
      'a CA that may sign names of another domain alone',
      () => shows(below(caBelow(attacked.ca, permittedUri('elsewhere')))),
      /^NAME_CONSTRAINT: /,
    ],
    [
      'a CA that may not sign',
      () => shows(below(caBelow(attacked.ca, { name: 'keyUsage', critical: true, digitalSignature: true }))),
      /^ISSUER_NOT_CA: /,
    ],
    [
      'a node as CA',
      () => {
        const node = leaf();
        return shows(below({ certPem: node.cert, keyPem: node.key }));
      },
      /^ISSUER_NOT_CA: /,
    ],
    ['an intermediate that it does not show', () => shows(leaf(() => ({ ca: intermediate() }))), /^OTHER_CA: /],
  ];
  it.each(cases)('%s, says why and whence in the audit log, and serves on', async (name, attack, reason) => {
    // Each from an address of its own: of one address the log has the first eight of a kind in full.
    source = `127.0.0.${10 + cases.findIndex(([known]) => known === name)}`;
    await attack();
    await expectRefused(attacked, source, reason, name === 'TLS 1.2' ? 'PROTOCOL_VIOLATION' : 'CERTIFICATE_REFUSED');
    await attacked.serves();
  });
});

describe('the link port resumes no session', () => {
  const serialOf = (pem: string): string => new X509Certificate(pem).serialNumber;
  /** What the server gave to resume TLS with, if it gave anything, once it has let this certificate in. */
  async function sessionOf(shown: Shown): Promise<Buffer | undefined> {
    let session: Buffer | undefined;
    let answer = '';
    await tlsUntilCut(attacked.config, { localAddress: source, ...shown }, (socket) => {
      session = socket.getSession();
      socket.on('session', (given) => {
        session = given;
      });
      socket.on('data', (bytes: Buffer) => {
        answer += bytes.toString('latin1');
      });
      // Wrong, so that it ends; the session is given before.
      setTimeout(() => socket.write('GET / HTTP/1.0\r\n\r\n'), 100);
    });
    expect(answer).toMatch(/^HTTP\/1.1 426 /);
    return session;
  }
  interface Ended {
    readonly shown: Shown;
    /** Ends what let it in. */
    readonly end: () => Promise<void>;
    readonly code: string;
    readonly reason: RegExp;
  }
  const revocation = (shown: Shown, serial: string): Ended => ({
    ...{ shown, code: 'REVOKED', reason: new RegExp(serial) },
    end: () => attacked.revoke(revocationOf('serial', serial)),
  });
  const cases: readonly [string, () => Ended | Promise<Ended>][] = [
    [
      'after the certificate was revoked',
      () => {
        const shown = leaf();
        return revocation(shown, serialOf(shown.cert));
      },
    ],
    [
      'after the CA above it was',
      () => {
        const ca = caBelow(attacked.ca);
        return revocation(below(ca), serialOf(ca.certPem));
      },
    ],
    [
      'after the root above it was dropped',
      async () => {
        const { trustDomain } = attacked.config.cluster;
        const other = issueCa(osCrypto, { trustDomain, notBefore: Date.now() - hourMs, notAfter: Date.now() + hourMs });
        const [kept, dropped] = [textOf(attacked.ca.certPem), textOf(other.certPem)];
        const alone: RootsBody = { trustDomain, roots: [kept], issuing: 0, crossSigned: [], lockedOut: [] };
        await attacked.believe({ ...alone, roots: [kept, dropped] });
        return {
          ...{ shown: leaf(() => ({ ca: other })), code: 'CERTIFICATE_REFUSED', reason: /^OTHER_CA: / },
          end: () => attacked.believe(alone),
        };
      },
    ],
  ];
  it.each(cases)('%s, and refuses who tries', async (_, make) => {
    const { shown, end, code, reason } = await make();
    source = '127.0.0.90';
    const session = await sessionOf(shown);
    await end();
    source = `127.0.0.${91 + cases.findIndex(([, known]) => known === make)}`;
    let reused: boolean | undefined;
    await tlsUntilCut(
      attacked.config,
      { localAddress: source, ...shown, ...(session ? { session } : {}) },
      (socket) => {
        reused = socket.isSessionReused();
        socket.write(upgrade);
      },
    );
    expect(reused).toBe(false);
    await expectRefused(attacked, source, reason, code);
    await attacked.serves();
  });
});
