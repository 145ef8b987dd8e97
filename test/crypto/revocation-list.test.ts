import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { privateKeyFromPem } from '../../src/crypto/keys.ts';
import { issueRevocationList, type RevocationListPlan } from '../../src/crypto/revocation-list.ts';
import { unwrap } from '../../src/errors.ts';
import { crypto, dayMs, makeCa, nodeCertificate, now, refusalOf } from './fixtures.ts';

const ca = makeCa();
const plan = (over: Partial<RevocationListPlan> = {}): RevocationListPlan => ({
  caCertPem: ca.certPem,
  caKey: unwrap(privateKeyFromPem(ca.keyPem)),
  number: 300,
  thisUpdate: now,
  nextUpdate: now + 7 * dayMs,
  revoked: [
    { serial: '0A1B', at: now - 1_000, reason: 1 },
    { serial: 'FF00', at: now, reason: 0 },
  ],
  ...over,
});
const hasOpenssl = (() => {
  try {
    execFileSync('openssl', ['version']);
    return true;
  } catch {
    return false;
  }
})();

describe('a certificate revocation list', () => {
  it.skipIf(!hasOpenssl)('is one that openssl verifies, and says what was revoked, when and why', () => {
    const folder = mkdtempSync(join(tmpdir(), 'caxton-crl-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const [crl, caFile] = [join(folder, 'list.crl'), join(folder, 'ca.crt')];
    writeFileSync(caFile, ca.certPem);
    writeFileSync(crl, unwrap(issueRevocationList(plan())));
    const arguments_ = ['crl', '-in', crl, '-CAfile', caFile, '-noout', '-text', '-verify'];
    const text = execFileSync('openssl', arguments_, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    expect(text).toContain('Version 2');
    expect(text).toMatch(/CRL Number:\s+300/);
    expect(text).toMatch(/Serial Number: 0A1B\s[\s\S]*Key Compromise[\s\S]*Serial Number: FF00/);
    writeFileSync(crl, unwrap(issueRevocationList(plan({ revoked: [], nextUpdate: Date.UTC(2051, 0, 1) }))));
    expect(execFileSync('openssl', arguments_, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })).toContain(
      'No Revoked Certificates',
    );
  });

  it('is read by a TLS stack', () => {
    expect(() => createSecureContext({ ca: ca.certPem, crl: unwrap(issueRevocationList(plan())) })).not.toThrow();
  });

  it.each<[string, () => Partial<RevocationListPlan>, string]>([
    ['another CA’s key', () => ({ caKey: unwrap(privateKeyFromPem(makeCa().keyPem)) }), 'does not belong'],
    ['a key of another type', () => ({ caKey: crypto.generateKeyPair('ed25519').privateKey }), 'does not belong'],
    [
      'the certificate of a node',
      () => ({
        caCertPem: `-----BEGIN CERTIFICATE-----\n${Buffer.from(nodeCertificate(ca)).toString('base64')}\n-----END CERTIFICATE-----\n`,
      }),
      'may not sign',
    ],
    ['no certificate', () => ({ caCertPem: 'ca' }), 'cannot be read'],
  ])('is not made with %s', (_, over, words) => {
    const { code, text } = refusalOf(issueRevocationList(plan(over())));
    expect([code, text]).toEqual(['CERTIFICATE_REFUSED', expect.stringContaining(words)]);
  });
});
