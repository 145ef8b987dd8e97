import { describe, expect, it } from 'vitest';
import { CertificateIssuer } from '../../../../src/actors/cluster/identity/certificate-issuer.ts';
import {
  type CertificateSource,
  createCertificateRenewal,
  type RenewalDependencies,
} from '../../../../src/actors/cluster/identity/certificate-renewal.ts';
import { HeldAuthorities } from '../../../../src/actors/cluster/identity/held-authorities.ts';
import { createNodeIdentity, readNodeIdentity } from '../../../../src/actors/cluster/identity/node-identity.ts';
import { TrustedRoots } from '../../../../src/actors/cluster/identity/trusted-roots.ts';
import { issueIntermediateCa, issueNodeCertificate } from '../../../../src/crypto/certificate.ts';
import { certificateKeyId } from '../../../../src/crypto/certificate-chain.ts';
import { verifyClaimKeyBinding } from '../../../../src/crypto/identity.ts';
import { privateKeyToPem, rawPublicKey } from '../../../../src/crypto/keys.ts';
import { readSigningRequest, verifySigningRequest } from '../../../../src/crypto/signing-request.ts';
import { ok, type Result, refuse, unwrap } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import type { NodeId } from '../../../../src/names.ts';
import { ManualClock, settle } from '../../../../src/testing/manual-clock.ts';
import { MemoryDisk } from '../../../../src/testing/memory-disk.ts';
import { crypto, dayMs, domain, makeCa, nodeOne, now, refusalOf } from '../../../crypto/fixtures.ts';

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

const textOf = (disk: MemoryDisk, path: string): string => Buffer.from(disk.peek(path)!).toString();

function lab(over: Partial<RenewalDependencies> = {}) {
  const written: string[] = [];
  const recorded: unknown[] = [];
  const warned: unknown[] = [];
  const first = issued();
  const disk = new MemoryDisk();
  disk.put('ca.key', ca.keyPem);
  disk.put('node.key', first.keyPem);
  disk.put('node.crt', first.certPem, 0o644);
  disk.before = (act, path) => void (act === 'write' && written.push(path));
  const identity = unwrap(identityOf(first));
  const own = over.identity ?? identity;
  const clock = new ManualClock(now);
  const authorities = new HeldAuthorities({
    disk: over.disk ?? disk,
    trustDomain: domain,
    place: { certificatePath: undefined, keyPath: 'ca.key', passphrasePath: undefined, validityMsMax: Infinity },
    roots: new TrustedRoots(domain, ca.certPem),
    certPem: () => own.tls.certPem,
    promoted: () => {},
    fault: () => {},
  });
  const issuer = new CertificateIssuer({
    clock,
    crypto,
    trustDomain: domain,
    authority: () => authorities.present(),
    caPem: () => ca.certPem,
    revoked: () => undefined,
    revokedUntil: () => undefined,
    issued: undefined,
    record: async () => ok(undefined),
  });
  const source: CertificateSource = {
    name: 'itself',
    async issue(request) {
      const made = await issuer.renew(request, own.svid, '');
      return made.ok ? ok(made.value.chainPem) : made;
    },
  };
  const renewal = createCertificateRenewal({
    identity,
    isCurrent: () => true,
    clock,
    crypto,
    disk,
    renewalThresholdMs: dayMs / 2,
    certificatePath: 'node.crt',
    privateKeyPath: 'node.key',
    jitter: () => 0,
    sources: () => [source],
    warn: (urgency, leftMs) => void warned.push([urgency, leftMs]),
    record: async (outcome, reasons) => {
      recorded.push([outcome, ...reasons]);
      return ok(undefined);
    },
    rotated: () => void recorded.push('rotated'),
    ...over,
  });
  return { identity, clock, renewal, source, written, recorded, warned, disk };
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

  it('leaves a pair that belongs together when a rotator is restarted while its last life still writes', async () => {
    for (let slow = 0; slow < 8; slow++) {
      const { renewal, disk, identity } = lab();
      let writes = 0;
      disk.before = async (act) => {
        // One of the writes takes longer than all others.
        if ((act === 'write' || act === 'remove') && writes++ === slow) await settle(6);
      };
      const [first, second] = [unwrap(await renewal.renew()), unwrap(await renewal.renew())];
      unwrap((await Promise.all([renewal.install(first), renewal.install(second)]))[1]!);
      expect([textOf(disk, 'node.key'), textOf(disk, 'node.crt')]).toEqual([second.keyPem, second.certPem]);
      expect(identity.tls.keyPem).toBe(second.keyPem);
    }
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

  it('asks with one key until it has a certificate for it, also after a crash, and with another the next time', async () => {
    const keys: string[] = [];
    const lost: CertificateSource = {
      name: 'lost',
      async issue(request) {
        keys.push(certificateKeyId(unwrap(verifySigningRequest(unwrap(readSigningRequest(request)))).publicKey));
        return refuse('TIMED_OUT', 'Nobody answered.');
      },
    };
    const good = lab();
    const heard = {
      ...good.source,
      async issue(request: Uint8Array) {
        await lost.issue(request);
        return good.source.issue(request);
      },
    };
    let sources = [lost];
    const { renewal, disk, identity } = lab({ sources: () => sources });
    expect((await renewal.renew()).ok).toBe(false);
    const crashed = disk.crash();
    const after = lab({ sources: () => sources, disk: crashed, identity });
    expect((await after.renewal.renew()).ok).toBe(false);
    sources = [heard];
    unwrap(await after.renewal.install(unwrap(await after.renewal.renew())));
    expect(new Set(keys)).toEqual(new Set([identity.svid.keyId]));
    unwrap(await after.renewal.renew());
    expect(new Set(keys).size).toBe(2);
  });

  it('gives a key up when what was issued for it was revoked', async () => {
    const { renewal, disk } = lab({
      sources: () => [{ name: 'a', issue: async () => refuse('REVOKED', 'The certificate was revoked.') }],
    });
    expect((await renewal.renew()).ok).toBe(false);
    expect(disk.peek('node.key.again')).toBeUndefined();
  });

  it('puts both files in their places, then shows the certificate, then records it', async () => {
    const { renewal, written, recorded, identity, disk } = lab();
    const heard: number[] = [];
    identity.onInstalled(() => heard.push(written.length));
    unwrap(await renewal.install(unwrap(await renewal.renew())));
    // The key that was asked with, and then the pair.
    expect([heard, recorded]).toEqual([[5], [['success'], 'rotated']]);
    expect(disk.paths()).toEqual(['ca.key', 'node.crt', 'node.key', 'node.key.last']);
    expect((await disk.stat('node.key.last'))?.mode).toBe(0o600);
    expect(textOf(disk, 'node.crt')).toBe(identity.tls.certPem);
    expect(textOf(disk, 'node.key')).toBe(identity.tls.keyPem);
    expect([(await disk.stat('node.key'))?.mode, (await disk.stat('node.crt'))?.mode]).toEqual([0o600, 0o644]);
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

  it('says what it lacks: anybody who could sign, or the CA key’s file', async () => {
    expect(refusalOf(await lab({ sources: () => [] }).renewal.renew()).code).toBe('UNREACHABLE');
    const { renewal, disk } = lab();
    await disk.remove('ca.key');
    expect(refusalOf(await renewal.renew()).code).toBe('FILE_UNREADABLE');
  });

  it('asks the next one when a CA node refuses, answers for another key, or is in the wrong hands', async () => {
    const { certPem } = issued();
    const stolen = issued(nodeOne, makeCa()).certPem;
    const asked: string[] = [];
    const bad = (name: string, answer: Result<string>): CertificateSource => ({
      name,
      issue: async () => {
        asked.push(name);
        return answer;
      },
    });
    const bads = [
      bad('a', refuse('TIMED_OUT', 'Late.')),
      bad('b', ok(certPem)),
      bad('c', ok(stolen)),
      bad('d', ok('')),
    ];
    const alone = lab({ sources: () => bads });
    const { text } = refusalOf(await alone.renewal.renew());
    expect(text).toMatch(/a: Late\.\n.*b: The private key does not belong.*\n.*c: .*not signed by.*\n.*d: /);
    expect([asked, alone.written]).toEqual([['a', 'b', 'c', 'd'], ['node.key.again']]);
    const good = lab();
    const both = lab({ sources: () => [...bads, good.source] });
    expect((await both.renewal.renew()).ok).toBe(true);
  });

  it('warns once at half, once at a tenth and once at the end of the time that there was', () => {
    const { renewal, clock, warned } = lab();
    const fails = () => renewal.failed(new Error('no'), 1);
    fails();
    clock.advance(dayMs / 2);
    fails();
    clock.advance(dayMs / 4);
    for (let again = 0; again < 3; again += 1) fails();
    clock.advance(dayMs / 4 - dayMs / 20);
    for (let again = 0; again < 3; again += 1) fails();
    clock.advance(dayMs / 20);
    for (let again = 0; again < 3; again += 1) fails();
    expect(warned).toEqual([
      ['half', dayMs / 4],
      ['tenth', dayMs / 20],
      ['over', 0],
    ]);
  });

  it.each<[string, (disk: MemoryDisk) => void]>([
    ['is open to others', (disk) => disk.put('ca.key', ca.keyPem, 0o644)],
    ['is empty', (disk) => disk.put('ca.key', '')],
    ['is too long', (disk) => disk.put('ca.key', ca.keyPem.padEnd(limits.pemBytesMax + 1))],
    ['is bytes', (disk) => disk.put('ca.key', new Uint8Array([0xff, 0xfe]))],
    ['cannot be read', (disk) => disk.fail('read', 'EIO', 'ca.key')],
  ])('does not use a CA key that %s', async (_, spoil) => {
    const { renewal, disk } = lab();
    spoil(disk);
    const { code, text } = refusalOf(await renewal.renew());
    expect([code, text]).toEqual(['FILE_UNREADABLE', expect.stringContaining('ca.key')]);
  });

  it.each([
    ['garbage', 'garbage'],
    ['of another CA', makeCa().keyPem],
  ])('is refused with a CA key that is %s', async (_, keyPem) => {
    const { renewal, disk } = lab();
    disk.put('ca.key', keyPem);
    expect((await renewal.renew()).ok).toBe(false);
  });

  it('records a failure with its attempt', () => {
    const { renewal, recorded } = lab();
    renewal.failed(new Error('no CA'), 2);
    expect(recorded).toEqual([['failure', 'Attempt 2: no CA']]);
  });
});

describe('a renewal by a CA below the root', () => {
  const online = unwrap(
    issueIntermediateCa(crypto, { ca, trustDomain: domain, notBefore: now - 2 * dayMs, notAfter: now + 2 * dayMs }),
  );
  const first = issued(nodeOne, online);
  const shown = { ...first, certPem: first.certPem + online.certPem };

  it('puts the intermediate behind the new certificate too, and a start after a crash finds both', async () => {
    const disk = new MemoryDisk();
    disk.put('ca.key', online.keyPem);
    disk.put('node.key', shown.keyPem);
    disk.put('node.crt', shown.certPem, 0o644);
    const identity = unwrap(identityOf(shown));
    const { renewal } = lab({ disk, identity });
    const renewed = unwrap(await renewal.renew());
    expect(renewed.certPem.endsWith(online.certPem)).toBe(true);
    let after: MemoryDisk | undefined;
    disk.before = (act, path) => {
      if (act === 'write' && path === 'node.crt') after = disk.crash();
    };
    await renewal.install(renewed).catch(() => undefined);
    expect(identity.tls.certPem).toBe(shown.certPem);
    const files = {
      ...{ nodeId: nodeOne, trustDomain: domain, caPem: ca.certPem, claimKey: claim.privateKey },
      ...{ certPem: textOf(after!, 'node.crt'), keyPem: textOf(after!, 'node.key') },
    };
    const paths = { certificatePath: 'node.crt', privateKeyPath: 'node.key' };
    const started = unwrap(await readNodeIdentity(after!, paths, files, now));
    expect(started.identity.tls).toMatchObject({ certPem: renewed.certPem, keyPem: renewed.keyPem });
  });
});

describe('a renewal that a power cut ends', () => {
  const paths = { certificatePath: 'node.crt', privateKeyPath: 'node.key' };
  const startFrom = async (disk: MemoryDisk) => {
    const started = await readNodeIdentity(
      disk,
      paths,
      {
        nodeId: nodeOne,
        trustDomain: domain,
        certPem: textOf(disk, 'node.crt'),
        keyPem: textOf(disk, 'node.key'),
        caPem: ca.certPem,
        claimKey: claim.privateKey,
      },
      now,
    );
    return started.ok ? ok(started.value.identity) : started;
  };

  /** Renews and installs until the disk is asked for its `act`-th change, where the power is cut. */
  async function cutAt(act: number, before = lab()): Promise<{ disk: MemoryDisk; cut: boolean }> {
    let after: MemoryDisk | undefined;
    let acts = 0;
    before.disk.before = (kind) => {
      if (kind !== 'write' && kind !== 'remove') return;
      acts += 1;
      if (acts === act) after = before.disk.crash();
    };
    const renewed = await before.renewal.renew().catch(() => undefined);
    if (renewed) await before.renewal.install(unwrap(renewed)).catch(() => undefined);
    return { disk: after ?? before.disk, cut: after !== undefined };
  }

  it('is finished by the next start, or never began: at every point a node starts, with files that agree', async () => {
    let points = 0;
    for (let act = 1; ; act++) {
      const { disk, cut } = await cutAt(act);
      const identity = unwrap(await startFrom(disk));
      expect([textOf(disk, 'node.crt'), textOf(disk, 'node.key')]).toEqual([identity.tls.certPem, identity.tls.keyPem]);
      if (!cut) break;
      points = act;
    }
    expect(points).toBe(7);
  });

  it('may come after one that the disk refused', async () => {
    for (let act = 1; act <= 6; act++) {
      const one = lab();
      one.disk.fail('write', 'ENOSPC', 'node.crt');
      await expect(one.renewal.install(unwrap(await one.renewal.renew()))).rejects.toThrow('ENOSPC');
      one.disk.mend();
      const { disk } = await cutAt(act, one);
      expect((await startFrom(disk)).ok).toBe(true);
    }
  });

  it('does not undo what somebody mended by hand', async () => {
    const { disk } = await cutAt(4);
    const mended = issued();
    disk.put('node.key', mended.keyPem);
    disk.put('node.crt', mended.certPem);
    expect(unwrap(await startFrom(disk)).tls.certPem).toBe(mended.certPem);
  });

  it('leaves a pair to start with when one of the two files is lost or torn later', async () => {
    for (const path of ['node.crt', 'node.key'])
      for (const content of ['', '-----BEGIN CERTIFICATE-----\nAAAA', issued().keyPem, issued().certPem]) {
        const one = lab();
        unwrap(await one.renewal.install(unwrap(await one.renewal.renew())));
        one.disk.put(path, content);
        expect(unwrap(await startFrom(one.disk)).svid.serial).toBe(one.identity.svid.serial);
        expect(textOf(one.disk, 'node.crt')).toBe(one.identity.tls.certPem);
      }
  });

  it('is not finished with a pair that peers would refuse, or that others can read', async () => {
    for (const [pair, mode] of [
      [issued(nodeOne, makeCa()), 0o600],
      [issued('node-2' as NodeId), 0o600],
      [issued(), 0o644],
    ] as const) {
      const { disk } = await cutAt(4);
      disk.put('node.key.next', pair.keyPem + pair.certPem, mode);
      expect(refusalOf(await startFrom(disk)).text).toContain('does not belong to the certificate');
    }
  });
});

describe('a clock that jumps', () => {
  it('past the end of the certificate gets a new one that is valid then', async () => {
    const { renewal, identity, clock } = lab();
    clock.advance(2 * dayMs);
    expect(renewal.dueInMs()).toBeLessThan(0);
    unwrap(await renewal.install(unwrap(await renewal.renew())));
    expect(identity.svid.notBefore).toBeLessThanOrEqual(clock.now());
    expect(identity.svid.notAfter).toBeGreaterThan(clock.now());
  });

  it('past the end of the CA is refused with the reason, and leaves the files alone', async () => {
    const { renewal, clock, written } = lab();
    clock.advance(100_000 * dayMs);
    expect(refusalOf(await renewal.renew()).text).toContain('CA’s own has reached its end');
    expect(written).toEqual(['node.key.again']);
  });
});
