import { describe, expect, it } from 'vitest';
import type { TlsIdentity } from '../../../../src/actors/kernel/ports.ts';
import { ApiCertificate } from '../../../../src/actors/operations/api/api-certificate.ts';
import { issueServerCertificate } from '../../../../src/crypto/certificate.ts';
import { privateKeyToPem } from '../../../../src/crypto/keys.ts';
import { CaxtonError, unwrap } from '../../../../src/errors.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { crypto, dayMs, makeCa, now } from '../../../crypto/fixtures.ts';

const ca = makeCa();
function pair(): TlsIdentity {
  const key = crypto.generateKeyPair('p256');
  const certPem = unwrap(
    issueServerCertificate(crypto, {
      ...{ ca, publicKey: key.publicKey, commonName: 'api', dns: ['api.test'], ip: [] },
      ...{ notBefore: now, notAfter: now + 9 * dayMs },
    }),
  );
  return { certPem, keyPem: privateKeyToPem(key.privateKey), caPem: ca.certPem };
}

function lab() {
  const clock = new ManualClock(now);
  const files = { now: pair() as TlsIdentity | CaxtonError };
  const shown: TlsIdentity[] = [];
  const told: string[] = [];
  const certificate = new ApiCertificate({
    clock,
    shown: files.now as TlsIdentity,
    async read() {
      if (files.now instanceof CaxtonError) throw files.now;
      return files.now;
    },
    show(tls) {
      if (tls.keyPem === 'unusable') throw new CaxtonError('CONFIG_INVALID', 'TLS cannot use it.');
      shown.push(tls);
    },
    shows: () => told.push('shows'),
    fault: (message) => told.push(message),
  });
  return { clock, files, shown, told, certificate };
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
    expect(shown).toEqual([next]);
    expect(told).toEqual(['shows']);
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
});
