import { describe, expect, it } from 'vitest';
import { judgedAtItsEnd } from '../../../../src/actors/cluster/identity/issued-certificates.ts';
import { shownChain } from '../../../../src/actors/cluster/identity/pem.ts';
import { issueIntermediateCa } from '../../../../src/crypto/certificate.ts';
import { verifyNodeSvid } from '../../../../src/crypto/svid.ts';
import { ok, refuse, unwrap } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import type { NodeId } from '../../../../src/names.ts';
import { MemoryStore } from '../../../../src/testing/memory-store.ts';
import { crypto, dayMs, domain, makeCa, now, period, refusalOf } from '../../../crypto/fixtures.ts';
import { apiCert, ca, lab, names, nine, operator, requestFor, shown, stranger } from './enrolment-lab.ts';

describe('a join token', () => {
  it('gets a newcomer a certificate with exactly its names, recorded before', async () => {
    const { enrolment, tokenFor, records } = lab();
    const token = await tokenFor();
    const key = crypto.generateKeyPair('p256');
    const pem = unwrap(await enrolment.enrol(shown(token, requestFor(key)), stranger));
    const svid = unwrap(
      verifyNodeSvid(unwrap(shownChain(pem)), { caPem: ca.certPem, trustDomain: domain, nodeId: nine, now }),
    );
    expect(svid.publicKey.equals(key.publicKey)).toBe(true);
    expect(records.map((line) => line.split(':')[0])).toEqual(['token', 'issued', 'enrolled']);
    expect(records.join()).not.toContain(token.secret);
  });

  it('is good for one key: again for the same gives the same certificate, for another nothing', async () => {
    const { enrolment, tokenFor, store, records } = lab();
    const token = await tokenFor();
    const key = crypto.generateKeyPair('p256');
    const first = unwrap(await enrolment.enrol(shown(token, requestFor(key)), stranger));
    expect(unwrap(await enrolment.enrol(shown(token, requestFor(key)), stranger))).toBe(first);
    expect(refusalOf(await enrolment.enrol(shown(token), stranger)).code).toBe('UNAUTHENTICATED');
    // A node that was started again knows it as well.
    expect(unwrap(await lab({}, store).enrolment.enrol(shown(token, requestFor(key)), stranger))).toBe(first);
    expect(records.filter((line) => line === 'issued')).toHaveLength(1);
  });

  it('is good for one key also when the node crashes before it has answered', async () => {
    const { tokenFor, store } = lab();
    const token = await tokenFor();
    const key = crypto.generateKeyPair('p256');
    const blocked = lab({ record: async () => refuse('AUDIT_BLOCKED', 'Full.') }, store);
    expect((await blocked.enrolment.enrol(shown(token, requestFor(key)), stranger)).ok).toBe(false);
    const after = lab({}, store);
    expect(refusalOf(await after.enrolment.enrol(shown(token), stranger)).code).toBe('UNAUTHENTICATED');
    expect((await after.enrolment.enrol(shown(token, requestFor(key)), stranger)).ok).toBe(true);
  });

  it('of another node, over, or guessed is refused in the same words, and recorded with the reason', async () => {
    const { enrolment, tokenFor, clock, records } = lab();
    const token = await tokenFor();
    const wrong = [
      { ...token, id: 'cd'.repeat(16) },
      { ...token, secret: Buffer.alloc(32).toString('base64url') },
      { ...token, id: '../../etc' },
    ];
    const texts = new Set<string>();
    for (const one of wrong) texts.add(refusalOf(await enrolment.enrol(shown(one), stranger)).text);
    clock.advance(dayMs + 1);
    texts.add(refusalOf(await enrolment.enrol(shown(token), stranger)).text);
    expect(texts.size).toBe(1);
    expect(records.filter((line) => line.startsWith('refused'))).toHaveLength(4);
    expect(records.join()).not.toContain('etc');
  });

  it.each<[string, Parameters<typeof requestFor>[1]]>([
    ['another node', { nodeId: 'node-1' as NodeId }],
    ['a name more', { dns: ['nine.test', 'bank.test'] }],
    ['a name less', { dns: [] }],
    ['another address', { ip: ['10.0.0.8'] }],
  ])('is no use for %s, and is not used up by asking', async (_, over) => {
    const { enrolment, tokenFor } = lab();
    const token = await tokenFor();
    const asked = await enrolment.enrol(shown(token, requestFor(undefined, over)), stranger);
    expect(refusalOf(asked).code).toBe('CERTIFICATE_REFUSED');
    expect((await enrolment.enrol(shown(token), stranger)).ok).toBe(true);
  });

  it('lets nobody take the place of a member that is up', async () => {
    const { enrolment, tokenFor, live } = lab();
    const token = await tokenFor();
    live.add(nine);
    expect(refusalOf(await enrolment.enrol(shown(token), stranger)).code).toBe('ALREADY_EXISTS');
    const again = await enrolment.issueToken({ nodeId: nine, ttlMs: dayMs, ...names }, operator);
    expect(refusalOf(again).code).toBe('ALREADY_EXISTS');
    live.clear();
    expect((await enrolment.enrol(shown(token), stranger)).ok).toBe(true);
  });

  it('is guessed slowly: few attempts of one source, which others do not spend', async () => {
    const { enrolment, tokenFor, clock } = lab();
    const token = await tokenFor();
    const guess = { ...token, secret: Buffer.alloc(32).toString('base64url') };
    const codes: string[] = [];
    for (let guesses = 0; guesses < 50; guesses += 1)
      codes.push(refusalOf(await enrolment.enrol(shown(guess), stranger)).code);
    expect(codes.filter((code) => code === 'UNAUTHENTICATED')).toHaveLength(6);
    expect(codes.at(-1)).toBe('RATE_LIMIT_EXCEEDED');
    expect((await enrolment.enrol(shown(token), operator)).ok).toBe(true);
    clock.advance(10_000);
    expect(refusalOf(await enrolment.enrol(shown(guess), stranger)).code).toBe('UNAUTHENTICATED');
  });

  it('shown by two at once lets one of them in; two tokens of one id as well', async () => {
    const { enrolment, tokenFor, records } = lab();
    const token = await tokenFor();
    const both = await Promise.all([1, 2].map(() => enrolment.enrol(shown(token), stranger)));
    expect(both.filter((one) => one.ok)).toHaveLength(1);
    expect(records.filter((line) => line === 'issued')).toHaveLength(1);
    const others = lab();
    const tokens = [await others.tokenFor(), await others.tokenFor()];
    const two = await Promise.all(tokens.map((one) => others.enrolment.enrol(shown(one), stranger)));
    expect(two.filter((one) => one.ok)).toHaveLength(1);
    expect(refusalOf(two.find((one) => !one.ok)!).code).toBe('ALREADY_EXISTS');
  });

  it('takes the place of a node only when it says so, and when every certificate of that is revoked', async () => {
    const { enrolment, tokenFor, live, revoked, issued, clock } = lab();
    const old = unwrap(await enrolment.enrol(shown(await tokenFor()), stranger));
    const [{ serial }] = (await issued.of(nine)) as unknown as [{ serial: string }];
    const asks = (replace: boolean) =>
      enrolment.issueToken({ nodeId: nine, ttlMs: dayMs, replace, ...names }, operator);
    expect(refusalOf(await asks(false)).text).toContain('--replace');
    expect(refusalOf(await asks(true))).toMatchObject({ code: 'ALREADY_EXISTS' });
    expect(refusalOf(await asks(true)).text).toContain(serial);
    expect(refusalOf(await asks(true)).text).toContain(`caxton security revoke --certificates ${nine}`);
    revoked.add(serial);
    // Revoked, and yet not free for whoever does not say that there was one.
    expect(refusalOf(await asks(false)).code).toBe('ALREADY_EXISTS');
    live.add(nine);
    expect(refusalOf(await asks(true)).text).toContain('up still');
    live.clear();
    const token = await tokenFor(nine, dayMs, true);
    const key = crypto.generateKeyPair('p256');
    const fresh = unwrap(await enrolment.enrol(shown(token, requestFor(key)), stranger));
    expect(fresh).not.toBe(old);
    // The same request again is the same certificate, until that is revoked itself.
    expect(unwrap(await enrolment.enrol(shown(token, requestFor(key)), stranger))).toBe(fresh);
    const [, { serial: second }] = (await issued.of(nine)) as unknown as [unknown, { serial: string }];
    revoked.add(second);
    expect(refusalOf(await enrolment.enrol(shown(token, requestFor(key)), stranger)).code).toBe('REVOKED');
    clock.advance(8 * dayMs);
    expect((await asks(false)).ok).toBe(true);
  });

  it('to replace is refused when the old node got another certificate in between, and is not used up', async () => {
    const { enrolment, tokenFor, revoked, issued, clock } = lab();
    unwrap(await enrolment.enrol(shown(await tokenFor()), stranger));
    const [first] = await issued.of(nine);
    revoked.add(first!.serial);
    const replacing = await tokenFor(nine, dayMs, true);
    const elsewhere = lab();
    unwrap(await elsewhere.enrolment.enrol(shown(await elsewhere.tokenFor()), stranger));
    const [second] = await elsewhere.issued.of(nine);
    const svid = unwrap(judgedAtItsEnd(second!.chainPem, { caPem: ca.certPem, trustDomain: domain }, nine));
    unwrap(await issued.keep(svid));
    expect(refusalOf(await enrolment.enrol(shown(replacing), stranger)).text).toContain(second!.serial);
    revoked.add(second!.serial);
    clock.advance(60_000);
    expect((await enrolment.enrol(shown(replacing), stranger)).ok).toBe(true);
  });

  it('to replace holds against certificates of other CA nodes that nobody knows here, and its own begins later', async () => {
    const { enrolment, tokenFor, until, issued, clock } = lab();
    unwrap(await enrolment.enrol(shown(await tokenFor()), stranger));
    clock.advance(60_000);
    // As the command does: what a CA node issued just now began a minute before.
    until.set(nine, clock.now() - 30_000);
    const key = crypto.generateKeyPair('p256');
    const replacing = await tokenFor(nine, dayMs, true);
    const fresh = unwrap(await enrolment.enrol(shown(replacing, requestFor(key)), stranger));
    const svid = unwrap(judgedAtItsEnd(fresh, { caPem: ca.certPem, trustDomain: domain }, nine));
    expect(svid.notBefore).toBeGreaterThan(clock.now() - 30_000);
    expect(svid.notBefore).toBeLessThan(clock.now());
    expect(unwrap(await enrolment.enrol(shown(replacing, requestFor(key)), stranger))).toBe(fresh);
    // Once more, a moment later: what the first token gave is over too.
    clock.advance(40_000);
    until.set(nine, clock.now() - 30_000);
    expect(refusalOf(await enrolment.enrol(shown(replacing, requestFor(key)), stranger)).code).toBe('REVOKED');
    expect((await enrolment.enrol(shown(await tokenFor(nine, dayMs, true)), stranger)).ok).toBe(true);
    expect(await issued.of(nine)).toHaveLength(3);
  });

  it('of a node that is revoked is not made, and lets nobody in who has one', async () => {
    const { enrolment, tokenFor, revoked } = lab();
    const token = await tokenFor();
    revoked.add(nine);
    expect(refusalOf(await enrolment.issueToken({ nodeId: nine, ttlMs: dayMs, ...names }, operator)).code).toBe(
      'REVOKED',
    );
    expect(refusalOf(await enrolment.enrol(shown(token), stranger)).code).toBe('REVOKED');
  });

  it('goes on after a crash behind the issuance: the certificate of its own key is in nobody’s way', async () => {
    const store = new MemoryStore();
    const { tokenFor } = lab({}, store);
    const token = await tokenFor();
    const key = crypto.generateKeyPair('p256');
    const dying = lab(
      { record: async (fact) => (fact === 'enrolled' ? refuse('AUDIT_BLOCKED', 'Full.') : ok(undefined)) },
      store,
    );
    expect((await dying.enrolment.enrol(shown(token, requestFor(key)), stranger)).ok).toBe(false);
    expect(await dying.issued.of(nine)).toHaveLength(1);
    const after = lab({}, store);
    expect((await after.enrolment.enrol(shown(token, requestFor(key)), stranger)).ok).toBe(true);
    expect(refusalOf(await after.enrolment.enrol(shown(token), stranger)).code).toBe('UNAUTHENTICATED');
  });

  it('that is cancelled is worth nothing from then on, after a restart too, and says what it was used for', async () => {
    const { enrolment, tokenFor, store, records, issued } = lab();
    const [unused, used] = [await tokenFor('node-8' as NodeId), await tokenFor()];
    const pem = await enrolment.enrol(shown(used), stranger);
    expect(pem.ok).toBe(true);
    expect((await enrolment.tokens()).map(({ id, serial }) => [id, serial === undefined])).toEqual(
      expect.arrayContaining([
        [unused.id, true],
        [used.id, false],
      ]),
    );
    expect(unwrap(await enrolment.cancelToken(unused.id, operator))).toEqual({ nodeId: 'node-8', serial: undefined });
    const [{ serial }] = (await issued.of(nine)) as unknown as [{ serial: string }];
    expect(unwrap(await enrolment.cancelToken(used.id, operator))).toEqual({ nodeId: nine, serial });
    expect(refusalOf(await enrolment.cancelToken(used.id, operator)).code).toBe('NOT_FOUND');
    const eight = requestFor(undefined, { nodeId: 'node-8' as NodeId });
    for (const one of [enrolment, lab({}, store).enrolment])
      expect(refusalOf(await one.enrol(shown(unused, eight), stranger)).code).toBe('UNAUTHENTICATED');
    expect(records.filter((line) => line.startsWith('cancelled'))).toHaveLength(2);
  });

  it('that is cancelled while it is being used is gone behind that', async () => {
    const { enrolment, tokenFor } = lab();
    const token = await tokenFor();
    const key = crypto.generateKeyPair('p256');
    const using = enrolment.enrol(shown(token, requestFor(key)), stranger);
    await Promise.all([using, enrolment.cancelToken(token.id, operator)]);
    expect(await enrolment.tokens()).toEqual([]);
    expect((await enrolment.enrol(shown(token, requestFor(key)), stranger)).ok).toBe(false);
  });

  it('is cancelled though the log is full', async () => {
    const { enrolment, records } = lab({
      record: async (fact) => (fact === 'cancelled' ? refuse('AUDIT_BLOCKED', 'Full.') : ok(undefined)),
    });
    const { id } = unwrap(await enrolment.issueToken({ nodeId: nine, ttlMs: dayMs, ...names }, operator));
    expect((await enrolment.cancelToken(id, operator)).ok).toBe(true);
    expect(await enrolment.tokens()).toEqual([]);
    expect(records.join()).toContain('fault');
  });

  it('is made by an API whose certificate leads to the CA over those behind it, and by no other', async () => {
    const online = unwrap(issueIntermediateCa(crypto, { ca, trustDomain: domain, ...period }));
    const request = { nodeId: nine, ttlMs: dayMs, ...names };
    const shows = (chain: string) => lab({ apiCertPem: () => chain }).enrolment.issueToken(request, operator);
    for (const good of [apiCert(online) + online.certPem, apiCert() + ca.certPem])
      expect((await shows(good)).ok).toBe(true);
    for (const bad of [apiCert(online), apiCert(makeCa()) + ca.certPem, apiCert(makeCa()) + online.certPem])
      expect(refusalOf(await shows(bad)).code).toBe('CERTIFICATE_REFUSED');
  });

  it('is not made for names that are none, by an API of another CA, unrecorded, or without end', async () => {
    const { enrolment, tokenFor, clock } = lab();
    for (const bad of [{ dns: ['Not A Name'] }, { dns: ['-a.test'] }, { ip: ['10.0.0.300'] }])
      expect(
        refusalOf(await enrolment.issueToken({ nodeId: nine, ttlMs: dayMs, ...names, ...bad }, operator)).code,
      ).toBe('MALFORMED');
    const other = lab({ apiCertPem: () => apiCert(makeCa()) });
    const request = { nodeId: nine, ttlMs: dayMs, ...names };
    expect(refusalOf(await other.enrolment.issueToken(request, operator)).code).toBe('CERTIFICATE_REFUSED');
    // Whoever revokes for it does so on the last refusal, so the others come before.
    other.live.add(nine);
    expect(refusalOf(await other.enrolment.issueToken(request, operator)).code).toBe('CERTIFICATE_REFUSED');
    const blocked = lab({ record: async () => refuse('AUDIT_BLOCKED', 'Full.') });
    expect(refusalOf(await blocked.enrolment.issueToken(request, operator)).code).toBe('AUDIT_BLOCKED');
    expect(await blocked.store.entries('join-tokens')).toEqual([]);
    for (let made = 0; made < limits.joinTokensMax; made += 1) await tokenFor();
    expect(refusalOf(await enrolment.issueToken(request, operator)).code).toBe('LIMIT_EXCEEDED');
    clock.advance(dayMs + 1);
    expect((await enrolment.issueToken(request, operator)).ok).toBe(true);
  });
});
