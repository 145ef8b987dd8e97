import { describe, expect, it } from 'vitest';
import { judgedAtItsEnd } from '../../../../src/actors/cluster/identity/issued-certificates.ts';
import type { ReEnrolmentOptions } from '../../../../src/actors/cluster/identity/re-enrolment.ts';
import { issueNodeCertificate } from '../../../../src/crypto/certificate.ts';
import type { KeyPair } from '../../../../src/crypto/port.ts';
import { proveReEnrolment } from '../../../../src/crypto/re-enrolment.ts';
import { unwrap } from '../../../../src/errors.ts';
import { MemoryStore } from '../../../../src/testing/memory-store.ts';
import { crypto, dayMs, domain, makeCa, refusalOf } from '../../../crypto/fixtures.ts';
import { ca, clusterId, lab, nine, operator, requestFor, shown, stranger, windowMs } from './enrolment-lab.ts';

/** node-9 with a certificate of a day, and its key. */
async function enrolled(again: Partial<ReEnrolmentOptions> = {}) {
  const made = lab({}, new MemoryStore(), again);
  const key = crypto.generateKeyPair('p256');
  const certificate = unwrap(await made.enrolment.enrol(shown(await made.tokenFor(), requestFor(key)), operator));
  const svid = unwrap(judgedAtItsEnd(certificate, { caPem: ca.certPem, trustDomain: domain }));
  const ask = (next: KeyPair = crypto.generateKeyPair('p256'), over: Partial<Asked> = {}) => {
    const { signer = key.privateKey, shows = certificate, for: cluster = clusterId, request = requestFor(next) } = over;
    const judged = judgedAtItsEnd(shows, { caPem: ca.certPem, trustDomain: domain });
    const fingerprint = judged.ok ? judged.value.fingerprint : '';
    const proof = proveReEnrolment(signer, { clusterId: cluster, fingerprint, request });
    return { certificate: shows, request, proof };
  };
  return { ...made, key, certificate, svid, ask };
}

interface Asked {
  readonly signer: KeyPair['privateKey'];
  readonly shows: string;
  readonly for: string;
  readonly request: Uint8Array;
}

describe('a node whose certificate has ended', () => {
  it('gets another one with its last key, for a new key and the same names, recorded', async () => {
    const { reEnrolment, ask, clock, records, svid } = await enrolled();
    clock.advance(2 * dayMs);
    const next = crypto.generateKeyPair('p256');
    const fresh = unwrap(await reEnrolment.renew(ask(next), stranger));
    const judged = unwrap(judgedAtItsEnd(fresh, { caPem: ca.certPem, trustDomain: domain }, nine));
    expect(judged.publicKey.equals(next.publicKey)).toBe(true);
    expect(judged.notAfter).toBeGreaterThan(clock.now());
    expect(records.slice(-2)).toEqual(['issued', expect.stringContaining(`"replaces":"${svid.serial}"`)]);
  });

  it('gets the same one when it asks again, and nobody gets a second', async () => {
    const { reEnrolment, ask, clock } = await enrolled();
    clock.advance(2 * dayMs);
    const next = crypto.generateKeyPair('p256');
    const request = ask(next);
    const fresh = unwrap(await reEnrolment.renew(request, stranger));
    expect(unwrap(await reEnrolment.renew(request, stranger))).toBe(fresh);
    expect(refusalOf(await reEnrolment.renew(ask(), stranger)).code).toBe('ALREADY_EXISTS');
  });

  it('has that recorded each time, also when the CA node crashed before the first record', async () => {
    const { reEnrolment, ask, clock, log, records, issued } = await enrolled();
    clock.advance(2 * dayMs);
    const request = ask();
    // A crash: what is kept is not taken back.
    const { forget } = issued;
    issued.forget = async () => {};
    log.blocked = true;
    expect((await reEnrolment.renew(request, stranger)).ok).toBe(false);
    issued.forget = forget;
    log.blocked = false;
    const before = records.length;
    unwrap(await reEnrolment.renew(request, stranger));
    expect(records.slice(before)).toEqual(['issued', expect.stringContaining('enrolled again')]);
    expect(await issued.of(nine)).toHaveLength(2);
  });

  it('is not kept out by a certificate of its own key that it never received', async () => {
    const { reEnrolment, ask, clock, key, svid, issued } = await enrolled();
    const lost = unwrap(
      issueNodeCertificate(crypto, {
        ...{ ca, publicKey: key.publicKey, nodeId: nine, trustDomain: domain, dns: [], ip: [] },
        ...{ notBefore: svid.notBefore, notAfter: svid.notAfter + 3_600_000 },
      }),
    );
    unwrap(await issued.keep(unwrap(judgedAtItsEnd(lost, { caPem: ca.certPem, trustDomain: domain }))));
    clock.advance(2 * dayMs);
    expect((await reEnrolment.renew(ask(), stranger)).ok).toBe(true);
  });

  it('is let in once when two ask at the same time, such as the node and a thief of its key', async () => {
    const { reEnrolment, ask, clock } = await enrolled();
    clock.advance(2 * dayMs);
    const both = await Promise.all([reEnrolment.renew(ask(), stranger), reEnrolment.renew(ask(), operator)]);
    expect(both.filter(({ ok }) => ok)).toHaveLength(1);
  });

  it('is refused before its end, and past the window, with what to do', async () => {
    const { reEnrolment, ask, clock } = await enrolled();
    expect(refusalOf(await reEnrolment.renew(ask(), stranger)).text).toContain('has not ended');
    clock.advance(dayMs + windowMs + 120_000);
    const late = refusalOf(await reEnrolment.renew(ask(), stranger));
    expect(late.code).toBe('CERTIFICATE_REFUSED');
    expect(late.text).toContain('ended too long ago');
    expect(late.text).toContain('caxton security join-token');
  });

  it('is refused where the window is off', async () => {
    const { reEnrolment, ask, clock } = await enrolled({ windowMs: undefined });
    clock.advance(2 * dayMs);
    expect(refusalOf(await reEnrolment.renew(ask(), stranger)).code).toBe('NOT_SUPPORTED');
  });

  it.each(['node', 'serial'])('is refused when its %s is revoked', async (what) => {
    const { reEnrolment, ask, clock, revoked, svid } = await enrolled();
    clock.advance(2 * dayMs);
    revoked.add(what === 'node' ? nine : svid.serial);
    expect(refusalOf(await reEnrolment.renew(ask(), stranger)).code).toBe('REVOKED');
  });

  it('is refused with an older certificate than its last, also when both have ended', async () => {
    const { reEnrolment, enrolment, ask, clock, revoked, svid, tokenFor } = await enrolled();
    clock.advance(dayMs + 60_000);
    const second = crypto.generateKeyPair('p256');
    const newer = unwrap(await enrolment.enrol(shown(await tokenFor(), requestFor(second)), operator));
    clock.advance(2 * dayMs);
    const refused = refusalOf(await reEnrolment.renew(ask(), stranger));
    expect(refused.code).toBe('ALREADY_EXISTS');
    expect(refused.text).toContain(svid.serial);
    expect(revoked.size).toBe(0);
    const last = ask(undefined, { shows: newer, signer: second.privateKey });
    expect((await reEnrolment.renew(last, stranger)).ok).toBe(true);
  });

  it('is refused with an older certificate than one of another CA node that was seen here', async () => {
    const { reEnrolment, ask, clock, svid, issued, live } = await enrolled();
    const elsewhere = lab();
    elsewhere.clock.advance(60_000);
    unwrap(await elsewhere.enrolment.enrol(shown(await elsewhere.tokenFor()), operator));
    const [renewed] = await elsewhere.issued.of(nine);
    await issued.see(unwrap(judgedAtItsEnd(renewed!.chainPem, { caPem: ca.certPem, trustDomain: domain }, nine)));
    clock.advance(2 * dayMs);
    live.clear();
    const refused = refusalOf(await reEnrolment.renew(ask(), stranger));
    expect([refused.code, refused.text]).toEqual(['ALREADY_EXISTS', expect.stringContaining(renewed!.serial)]);
    expect(refused.text).toContain(svid.serial);
  });

  it('is refused with an older certificate also when its last ended in the same second, as they do at a CA’s end', async () => {
    const { reEnrolment, ask, clock, svid, issued } = await enrolled();
    const second = crypto.generateKeyPair('p256');
    const { notAfter } = svid;
    const request = { ca, publicKey: second.publicKey, nodeId: nine, trustDomain: domain, dns: [], ip: [] };
    const last = unwrap(issueNodeCertificate(crypto, { ...request, notBefore: svid.notBefore + 3_600_000, notAfter }));
    unwrap(await issued.keep(unwrap(judgedAtItsEnd(last, { caPem: ca.certPem, trustDomain: domain }))));
    clock.advance(2 * dayMs);
    expect(refusalOf(await reEnrolment.renew(ask(), stranger)).code).toBe('ALREADY_EXISTS');
    const own = ask(undefined, {
      shows: last,
      signer: second.privateKey,
      request: requestFor(undefined, { dns: [], ip: [] }),
    });
    expect(await reEnrolment.renew(own, stranger)).toMatchObject({ ok: true });
  });

  it('is not kept out by certificates that never left, since the audit log could not be written', async () => {
    const { reEnrolment, ask, clock, log, issued } = await enrolled();
    clock.advance(2 * dayMs);
    log.blocked = true;
    expect(refusalOf(await reEnrolment.renew(ask(), stranger)).code).toBe('AUDIT_BLOCKED');
    expect(await issued.of(nine)).toHaveLength(1);
    log.blocked = false;
    expect((await reEnrolment.renew(ask(), stranger)).ok).toBe(true);
  });

  it('is refused while a member of its name is up', async () => {
    const { reEnrolment, ask, clock, live } = await enrolled();
    clock.advance(2 * dayMs);
    live.add(nine);
    expect(refusalOf(await reEnrolment.renew(ask(), stranger)).code).toBe('ALREADY_EXISTS');
  });

  it('gets no other names, no other identity and no certificate for its old key', async () => {
    const { reEnrolment, ask, clock, key } = await enrolled();
    clock.advance(2 * dayMs);
    for (const request of [
      requestFor(undefined, { dns: ['nine.test', 'bank.test'] }),
      requestFor(undefined, { nodeId: 'node-1' as typeof nine }),
      requestFor(key),
    ])
      expect(refusalOf(await reEnrolment.renew(ask(undefined, { request }), stranger)).code).toBe(
        'CERTIFICATE_REFUSED',
      );
    expect((await reEnrolment.renew(ask(), operator)).ok).toBe(true);
  });
});

describe('whoever has no key of a certificate of this cluster', () => {
  it('hears one text, whatever is wrong, and the log has the reason', async () => {
    const { reEnrolment, ask, clock, records, certificate } = await enrolled();
    clock.advance(2 * dayMs);
    const other = lab();
    const foreignCa = makeCa();
    const stolen = ask();
    const answers = [
      // A peer’s certificate is public: its key is not.
      ask(undefined, { signer: crypto.generateKeyPair('p256').privateKey }),
      // A proof that was overheard, for another key.
      { ...stolen, request: requestFor() },
      // A proof for another cluster.
      ask(undefined, { for: 'cluster-2' }),
      { ...stolen, certificate: foreignCa.certPem },
      { ...stolen, certificate: certificate.slice(0, 300) },
      { ...stolen, proof: new Uint8Array(0) },
    ];
    const told = new Set<string>();
    for (const [index, answer] of answers.entries()) {
      const refused = refusalOf(await reEnrolment.renew(answer, { ...stranger, sourceIp: `10.0.1.${index}` }));
      expect(refused.code).toBe('UNAUTHENTICATED');
      told.add(refused.text);
    }
    expect(told.size).toBe(1);
    expect(records.filter((line) => line.startsWith('refused'))).toHaveLength(answers.length);
    expect(await other.issued.of(nine)).toEqual([]);
  });

  it('may try a few times a minute, and shares that with whoever tries tokens', async () => {
    const { reEnrolment, enrolment, ask } = await enrolled();
    const bad = ask(undefined, { signer: crypto.generateKeyPair('p256').privateKey });
    const codes: string[] = [];
    for (let tries = 0; tries < 10; tries += 1) codes.push(refusalOf(await reEnrolment.renew(bad, stranger)).code);
    expect(codes.filter((code) => code === 'UNAUTHENTICATED')).toHaveLength(6);
    const guess = { id: 'ab'.repeat(16), secret: 'x', request: requestFor() };
    expect(refusalOf(await enrolment.enrol(guess, stranger)).code).toBe('RATE_LIMIT_EXCEEDED');
  });
});
