import { describe, expect, it } from 'vitest';
import { createCertificateRenewal, type RenewalDependencies } from '../../../src/actors/cluster/certificate-renewal.ts';
import { createNodeIdentity } from '../../../src/actors/cluster/node-identity.ts';
import type { Disk } from '../../../src/actors/kernel/ports.ts';
import { issueNodeCertificate } from '../../../src/crypto/certificate.ts';
import { verifyClaimKeyBinding } from '../../../src/crypto/identity.ts';
import { privateKeyToPem, rawPublicKey } from '../../../src/crypto/keys.ts';
import { ok, unwrap } from '../../../src/errors.ts';
import type { NodeId } from '../../../src/names.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { crypto, dayMs, domain, makeCa, nodeOne, now, refusalOf } from '../../crypto/fixtures.ts';

const ca = makeCa();
const claim = crypto.generateKeyPair('ed25519');

function issued(nodeId: NodeId = nodeOne, authority = ca) {
  const key = crypto.generateKeyPair('p256');
  const period = { notBefore: now - dayMs, notAfter: now + dayMs };
  const plan = { ca: authority, publicKey: key.publicKey, nodeId, trustDomain: domain, ...period, dns: [], ip: [] };
  return { certPem: unwrap(issueNodeCertificate(crypto, plan)), keyPem: privateKeyToPem(key.privateKey) };
}

const identityOf = (files = issued()) =>
  createNodeIdentity(
    { nodeId: nodeOne, trustDomain: domain, ...files, caPem: ca.certPem, claimKey: claim.privateKey },
    now,
  );

function lab(over: Partial<RenewalDependencies> = {}) {
  const written: string[] = [];
  const recorded: unknown[] = [];
  const files = new Map<string, Uint8Array>([['ca.key', Buffer.from(ca.keyPem)]]);
  const disk = {
    readFile: async (path: string) => files.get(path),
    writeFileAtomic: async (path: string, bytes: Uint8Array, mode: number) => {
      written.push(`${path} ${mode.toString(8)}`);
      files.set(path, bytes);
    },
  } as unknown as Disk;
  const identity = unwrap(identityOf());
  const clock = new ManualClock(now);
  const renewal = createCertificateRenewal({
    identity,
    clock,
    crypto,
    disk,
    renewalThresholdMs: dayMs / 2,
    certificatePath: 'node.crt',
    privateKeyPath: 'node.key',
    caKeyPath: 'ca.key',
    advertise: '127.0.0.1',
    record: async (outcome, reasons) => {
      recorded.push([outcome, ...reasons]);
      return ok(undefined);
    },
    rotated: () => void recorded.push('rotated'),
    ...over,
  });
  return { identity, clock, renewal, written, recorded, files };
}

describe('the identity of a node', () => {
  it.each([
    ['a certificate of another CA', () => issued(nodeOne, makeCa())],
    ['another node’s certificate', () => issued('node-2' as NodeId)],
    ['a key that is not the certificate’s', () => ({ ...issued(), keyPem: issued().keyPem })],
    ['no certificate', () => ({ ...issued(), certPem: 'nothing' })],
    ['no key', () => ({ ...issued(), keyPem: 'nothing' })],
  ])('refuses %s, at the start and later', (_, files) => {
    expect(identityOf(files()).ok).toBe(false);
    const identity = unwrap(identityOf());
    const { tls } = identity;
    let heard = 0;
    identity.onInstalled(() => heard++);
    const { certPem, keyPem } = files();
    expect(identity.accepts(certPem, keyPem, now).ok).toBe(false);
    expect(identity.install(certPem, keyPem, now).ok).toBe(false);
    expect([identity.tls, heard]).toEqual([tls, 0]);
  });

  it('binds its claim key anew to each certificate', () => {
    const identity = unwrap(identityOf());
    const before = identity.binding;
    const { certPem, keyPem } = issued();
    unwrap(identity.install(certPem, keyPem, now));
    expect(identity.binding).not.toEqual(before);
    expect(unwrap(verifyClaimKeyBinding(identity.svid, identity.binding))).toEqual(rawPublicKey(claim.publicKey));
    expect(verifyClaimKeyBinding(identity.svid, before).ok).toBe(false);
  });
});

describe('a renewal', () => {
  it('is due when less than the threshold is left', () => {
    const { renewal, clock } = lab();
    expect(renewal.dueInMs()).toBe(dayMs / 2);
    clock.advance(dayMs / 2);
    expect(renewal.dueInMs()).toBe(0);
  });

  it('makes a fresh key and a certificate that lives as long as the one before', async () => {
    const { renewal, identity } = lab();
    const { notBefore, notAfter, serial } = identity.svid;
    const { keyPem } = identity.tls;
    unwrap(await renewal.install(unwrap(await renewal.renew())));
    expect(identity.tls.keyPem).not.toBe(keyPem);
    expect(identity.svid.serial).not.toBe(serial);
    expect(identity.svid.notAfter - identity.svid.notBefore).toBe(notAfter - notBefore);
    expect(identity.svid.notBefore).toBeLessThan(now);
  });

  it('writes the key before the certificate, then shows it, then records it', async () => {
    const { renewal, written, recorded, identity, files } = lab();
    const heard: number[] = [];
    identity.onInstalled(() => heard.push(written.length));
    unwrap(await renewal.install(unwrap(await renewal.renew())));
    expect(written).toEqual(['node.key 600', 'node.crt 644']);
    expect([heard, recorded]).toEqual([[2], [['success'], 'rotated']]);
    expect(Buffer.from(files.get('node.crt')!).toString()).toBe(identity.tls.certPem);
  });

  it('touches no file for a certificate that peers would refuse', async () => {
    for (const foreign of [
      issued(nodeOne, makeCa()),
      issued('node-2' as NodeId),
      { ...issued(), keyPem: issued().keyPem },
    ]) {
      const { renewal, written, recorded, identity } = lab();
      const { tls } = identity;
      expect(refusalOf(await renewal.install(foreign)).code).toBe('CERTIFICATE_REFUSED');
      expect([written, recorded, identity.tls]).toEqual([[], [], tls]);
    }
  });

  it('says what it lacks: the CA key, or its file', async () => {
    expect(refusalOf(await lab({ caKeyPath: undefined }).renewal.renew()).code).toBe('NOT_SUPPORTED');
    expect(refusalOf(await lab({ caKeyPath: 'elsewhere' }).renewal.renew()).code).toBe('FILE_UNREADABLE');
  });

  it('records a failure with its attempt', () => {
    const { renewal, recorded } = lab();
    renewal.failed(new Error('no CA'), 2);
    expect(recorded).toEqual([['failure', 'Attempt 2: no CA']]);
  });
});
