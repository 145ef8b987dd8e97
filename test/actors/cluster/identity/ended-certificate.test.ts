import { describe, expect, it } from 'vitest';
import { createCertificateRenewal } from '../../../../src/actors/cluster/identity/certificate-renewal.ts';
import {
  renewEnded,
  type StartAgain,
  sourcesAgain,
} from '../../../../src/actors/cluster/identity/ended-certificate.ts';
import { judgedAtItsEnd } from '../../../../src/actors/cluster/identity/issued-certificates.ts';
import { createNodeIdentity } from '../../../../src/actors/cluster/identity/node-identity.ts';
import { belongTogether } from '../../../../src/actors/cluster/identity/pem.ts';
import type { AskToEnrolAgain } from '../../../../src/actors/cluster/identity/re-enrolment-call.ts';
import { privateKeyToPem } from '../../../../src/crypto/keys.ts';
import { ok, refuse, unwrap } from '../../../../src/errors.ts';
import type { NodeId } from '../../../../src/names.ts';
import { MemoryDisk } from '../../../../src/testing/memory-disk.ts';
import { crypto, dayMs, domain, makeCa, now, refusalOf } from '../../../crypto/fixtures.ts';
import { ca, clusterId, lab, nine, operator, requestFor, shown, stranger } from './enrolment-lab.ts';

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const textOf = (disk: MemoryDisk, path: string): string => Buffer.from(disk.peek(path) ?? []).toString();

/** node-9’s disk, with a certificate of a day, and the CA node that it may ask. */
async function stopped() {
  const made = lab();
  const key = crypto.generateKeyPair('p256');
  const certPem = unwrap(await made.enrolment.enrol(shown(await made.tokenFor(), requestFor(key)), operator));
  const disk = new MemoryDisk();
  disk.put('node.crt', certPem, 0o644);
  disk.put('node.key', privateKeyToPem(key.privateKey));
  disk.put('ca.crt', ca.certPem, 0o644);
  let asked = 0;
  const start = (more: Partial<StartAgain> = {}) =>
    renewEnded({
      clock: made.clock,
      disk,
      crypto,
      async ask(_, __, { certificate, request, proof }) {
        asked += 1;
        const enrolment = { certificate, request: bytes(request), proof: bytes(proof) };
        return made.reEnrolment.renew(enrolment, stranger);
      },
      nodeId: nine,
      trustDomain: domain,
      clusterId,
      certificatePath: 'node.crt',
      privateKeyPath: 'node.key',
      caCertificatePath: 'ca.crt',
      addresses: [{ host: '10.0.0.1', port: 7_801 }],
      renewsItself: false,
      ...more,
    });
  const svid = unwrap(judgedAtItsEnd(certPem, { caPem: ca.certPem, trustDomain: domain }));
  return { ...made, disk, start, certPem, svid, asked: () => asked };
}

describe('the start of a node whose certificate has ended', () => {
  it('puts another one in its place, with a new key, and leaves nothing beside it', async () => {
    const { clock, disk, start, certPem } = await stopped();
    clock.advance(2 * dayMs);
    expect(await start()).toEqual(ok('the API at 10.0.0.1:7801'));
    const [cert, key] = [textOf(disk, 'node.crt'), textOf(disk, 'node.key')];
    expect(cert).not.toBe(certPem);
    expect(belongTogether(cert, key)).toBe(true);
    expect(unwrap(judgedAtItsEnd(cert, { caPem: ca.certPem, trustDomain: domain }, nine)).notAfter).toBeGreaterThan(
      clock.now(),
    );
    expect(disk.peek('node.key.again')).toBeUndefined();
  });

  it('asks nobody while it holds, without a CA node to ask, or with files that are no pair', async () => {
    const { clock, start, asked, disk } = await stopped();
    expect(await start()).toBeUndefined();
    clock.advance(2 * dayMs);
    expect(await start({ addresses: [] })).toBeUndefined();
    expect(await start({ nodeId: 'node-8' as NodeId })).toBeUndefined();
    disk.put('node.key', privateKeyToPem(crypto.generateKeyPair('p256').privateKey));
    expect(await start()).toBeUndefined();
    expect(asked()).toBe(0);
  });

  it('gets what it had been given when the answer was lost, and asks the next CA node when one is silent', async () => {
    const { clock, start, reEnrolment, disk } = await stopped();
    clock.advance(2 * dayMs);
    const lost = await start({
      async ask(_, __, { certificate, request, proof }) {
        unwrap(await reEnrolment.renew({ certificate, request: bytes(request), proof: bytes(proof) }, stranger));
        return refuse('TIMED_OUT', 'Nobody answered.');
      },
    });
    expect(refusalOf(lost!).text).toContain('Nobody answered.');
    expect(disk.peek('node.key.again')).toBeDefined();
    expect((await start())?.ok).toBe(true);
  });

  it('believes no CA node that gives it another’s certificate, another CA’s, or one for another key', async () => {
    const { clock, start, disk, certPem } = await stopped();
    clock.advance(2 * dayMs);
    for (const answer of [certPem, ca.certPem, makeCa().certPem, 'nothing']) {
      const refused = refusalOf((await start({ ask: async () => ok(answer) }))!);
      expect(refused.code).toBe('CERTIFICATE_REFUSED');
      expect(refused.text).toContain('docs/operations/joining.md');
    }
    expect(textOf(disk, 'node.crt')).toBe(certPem);
  });

  it('goes on to its own CA when no other says that it is out or has been replaced', async () => {
    const { clock, start, enrolment, tokenFor, revoked, svid } = await stopped();
    clock.advance(2 * dayMs);
    expect(await start({ renewsItself: true, ask: async () => refuse('UNREACHABLE', 'Nobody is there.') })).toBe(
      undefined,
    );
    unwrap(await enrolment.enrol(shown(await tokenFor()), operator));
    expect(refusalOf((await start({ renewsItself: true }))!).text).toContain('has a newer certificate');
    revoked.add(svid.serial);
    expect(refusalOf((await start({ renewsItself: true }))!).text).toContain('Revoked.');
  });

  it('says what each CA node said when none helps', async () => {
    const { clock, start } = await stopped();
    clock.advance(30 * dayMs);
    const refused = refusalOf((await start())!);
    expect(refused.code).toBe('CERTIFICATE_REFUSED');
    expect(refused.text).toMatch(/ended at .*, and no CA node gave it another one.*too long ago/s);
  });
});

describe('a node that runs while its certificate ends', () => {
  it('enrols again with the next attempt of its rotation, and keeps its key until the pair is in place', async () => {
    const { clock, disk, certPem, reEnrolment } = await stopped();
    const keyPem = textOf(disk, 'node.key');
    const claimKey = crypto.generateKeyPair('ed25519').privateKey;
    const files = { nodeId: nine, trustDomain: domain, certPem, keyPem, caPem: ca.certPem, claimKey };
    const identity = unwrap(createNodeIdentity(files, now));
    let reachable = false;
    const ask: AskToEnrolAgain = async (_, __, { certificate, request, proof }) =>
      reachable
        ? reEnrolment.renew({ certificate, request: bytes(request), proof: bytes(proof) }, stranger)
        : refuse('UNREACHABLE', 'Nobody is there.');
    const renewal = createCertificateRenewal({
      ...{ identity, clock, crypto, disk, renewalThresholdMs: undefined, jitter: () => 0 },
      ...{ certificatePath: 'node.crt', privateKeyPath: 'node.key' },
      isCurrent: () => true,
      sources: () => sourcesAgain({ ...identity.tls, svid: identity.svid, clusterId }, [{ host: 'ca', port: 1 }], ask),
      record: async () => ok(undefined),
      rotated: () => {},
      warn: () => {},
    });
    clock.advance(2 * dayMs);
    expect(refusalOf(await renewal.renew()).text).toContain('Nobody is there.');
    const kept = textOf(disk, 'node.key.again');
    reachable = true;
    const renewed = unwrap(await renewal.renew());
    expect(renewed.keyPem).toBe(kept);
    unwrap(await renewal.install(renewed));
    expect(identity.svid.notAfter).toBeGreaterThan(clock.now());
    expect([textOf(disk, 'node.key'), disk.peek('node.key.again')]).toEqual([kept, undefined]);
  });
});
