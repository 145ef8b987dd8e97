import type { KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ApiCertificate } from '../../../../src/actors/cluster/identity/api-certificate.ts';
import type { CertificatePair } from '../../../../src/actors/cluster/identity/certificate-pair.ts';
import type { TlsIdentity } from '../../../../src/actors/kernel/ports.ts';
import { issueServerCertificate } from '../../../../src/crypto/certificate.ts';
import { privateKeyToPem } from '../../../../src/crypto/keys.ts';
import { readSigningRequest, verifySigningRequest } from '../../../../src/crypto/signing-request.ts';
import { CaxtonError, ok, unwrap } from '../../../../src/errors.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { MemoryDisk } from '../../../../src/testing/memory-disk.ts';
import { crypto, dayMs, domain, makeCa, nodeOne, now } from '../../../crypto/fixtures.ts';

const [cluster, other] = [makeCa(), makeCa()];
const lifeMs = 9 * dayMs;

function pair(ca = other): CertificatePair {
  const key = crypto.generateKeyPair('p256');
  return { certPem: certified(key.publicKey, now, ca), keyPem: privateKeyToPem(key.privateKey) };
}

const certified = (publicKey: KeyObject, notBefore: number, ca = cluster, forMs = lifeMs) =>
  unwrap(
    issueServerCertificate(crypto, {
      ...{ ca, publicKey, commonName: 'api', dns: ['api.test'], ip: [] },
      ...{ notBefore, notAfter: notBefore + forMs },
    }),
  );

function lab(ca = other) {
  const clock = new ManualClock(now);
  const disk = new MemoryDisk();
  const files = { now: pair(ca) as CertificatePair | CaxtonError };
  const shown: TlsIdentity[] = [];
  const told: string[] = [];
  const tls = { certPem: '', keyPem: '', caPem: cluster.certPem };
  const certificate = new ApiCertificate({
    identity: { nodeId: nodeOne, trustDomain: domain, tls, onInstalled: () => {}, onBelieved: () => {} },
    roots: { inForce: undefined, caPem: cluster.certPem },
    ...{ clock, crypto, disk, pair: files.now as CertificatePair, isNodes: false },
    ...{ certificatePath: 'api.crt', privateKeyPath: 'api.key', renewalThresholdMs: undefined, jitter: 0 },
    async read() {
      if (files.now instanceof CaxtonError) throw files.now;
      return files.now;
    },
    sources: () => [
      {
        name: 'node-2',
        async issue(request, purpose) {
          expect(purpose).toBe('server');
          const { publicKey } = unwrap(verifySigningRequest(unwrap(readSigningRequest(request))));
          return ok(certified(publicKey, clock.now(), cluster, dayMs));
        },
      },
    ],
    replaced: () => told.push('replaced'),
    record: async (outcome) => ok(told.push(outcome)),
    fault: (message) => told.push(message),
  });
  certificate.onChanged(() => {
    if (certificate.tls.keyPem === 'unusable') throw new CaxtonError('CONFIG_INVALID', 'TLS cannot use it.');
    shown.push(certificate.tls);
  });
  return { clock, disk, files, shown, told, certificate };
}

describe('the API’s own certificate', () => {
  it('is shown as soon as its files are replaced, and only then', async () => {
    const { files, shown, told, certificate } = lab();
    await certificate.check();
    expect(shown).toEqual([]);
    const next = pair();
    files.now = next;
    await certificate.check();
    await certificate.check();
    expect(shown).toEqual([{ ...next, caPem: cluster.certPem }]);
    expect(told).toEqual(['replaced']);
  });

  it('goes on when the files are bad, and says so once, not for what the next round finds mended', async () => {
    const { files, shown, told, certificate } = lab();
    const good = files.now;
    const torn = new CaxtonError('CERTIFICATE_REFUSED', 'The private key does not belong to this certificate.');
    files.now = torn;
    await certificate.check();
    files.now = good;
    await certificate.check();
    expect(told).toEqual([]);
    files.now = torn;
    for (let round = 0; round < 4; round += 1) await certificate.check();
    expect(told).toEqual([expect.stringContaining('does not belong')]);
    files.now = { ...pair(), keyPem: 'unusable' };
    for (let round = 0; round < 3; round += 1) await certificate.check();
    expect(told).toHaveLength(2);
    expect(shown).toEqual([]);
    expect(certificate.tls).toEqual({ ...(good as CertificatePair), caPem: cluster.certPem });
    files.now = pair();
    await certificate.check();
    expect(shown).toHaveLength(1);
  });

  it('is warned of at half and at a tenth of the time for a renewal, and at its end; anew for the next', async () => {
    const { clock, files, told, certificate } = lab();
    const days = [6.1, 7.6, 7.7, 8.8, 9.1, 9.2];
    const counts: number[] = [];
    let past = 0;
    for (const day of days) {
      clock.advance((day - past) * dayMs);
      past = day;
      await certificate.check();
      counts.push(told.length);
    }
    expect(counts).toEqual([0, 1, 1, 2, 3, 3]);
    expect(told.at(-1)).toContain('has ended');
    files.now = pair();
    await certificate.check();
    expect(told.at(-1)).toContain('has ended');
    expect(told).toHaveLength(5);
  });

  it('is renewed by a CA node when the cluster’s CA has signed it, and is for others to renew otherwise', async () => {
    const [theirs, ours] = [lab(other), lab(cluster)];
    for (const { clock } of [theirs, ours]) clock.advance(8 * dayMs);
    expect(theirs.certificate.renewal!.dueInMs()).toBeGreaterThan(lifeMs);
    expect(ours.certificate.renewal!.dueInMs()).toBeLessThanOrEqual(0);
    const renewed = unwrap(await ours.certificate.renewal!.renew());
    unwrap(await ours.certificate.renewal!.install(renewed));
    expect(ours.shown).toEqual([{ ...renewed, caPem: cluster.certPem }]);
    expect(ours.told).toEqual(['success']);
    expect(Buffer.from(ours.disk.peek('api.crt')!).toString()).toBe(renewed.certPem);
    // Somebody puts one of the cluster’s CA in the place of the other.
    theirs.files.now = pair(cluster);
    await theirs.certificate.check();
    expect(theirs.certificate.renewal!.dueInMs()).toBeLessThanOrEqual(0);
  });

  it('that somebody has put in place meanwhile is not overwritten with a renewal of the one before', async () => {
    const { certificate, files, shown, told, disk } = lab(cluster);
    const renewed = unwrap(await certificate.renewal!.renew());
    const theirs = pair(other);
    files.now = theirs;
    unwrap(await certificate.renewal!.install(renewed));
    expect(shown).toEqual([{ ...theirs, caPem: cluster.certPem }]);
    expect(told).toEqual(['replaced']);
    expect(disk.peek('api.crt')).toBeUndefined();
  });
});
