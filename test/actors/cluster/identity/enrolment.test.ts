import { describe, expect, it } from 'vitest';
import { CertificateIssuer } from '../../../../src/actors/cluster/identity/certificate-issuer.ts';
import { Enrolment, type EnrolmentOptions } from '../../../../src/actors/cluster/identity/enrolment.ts';
import { shownChain } from '../../../../src/actors/cluster/identity/pem.ts';
import { issueIntermediateCa, issueServerCertificate } from '../../../../src/crypto/certificate.ts';
import { type JoinToken, readJoinToken } from '../../../../src/crypto/join-token.ts';
import type { KeyPair } from '../../../../src/crypto/port.ts';
import { createSigningRequest } from '../../../../src/crypto/signing-request.ts';
import { verifyNodeSvid } from '../../../../src/crypto/svid.ts';
import { ok, refuse, unwrap } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import type { NodeId } from '../../../../src/names.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { MemoryStore } from '../../../../src/testing/memory-store.ts';
import { crypto, dayMs, domain, makeCa, now, period, refusalOf } from '../../../crypto/fixtures.ts';

const ca = makeCa();
const nine = 'node-9' as NodeId;
const operator = { identity: 'apikey:dev', sourceIp: '127.0.0.1', requestId: 'r1' };
const stranger = { identity: 'open', sourceIp: '10.0.0.9', requestId: 'r2' };
const names = { dns: ['nine.test'], ip: ['10.0.0.9'] };
const apiCert = (authority = ca) =>
  unwrap(
    issueServerCertificate(crypto, {
      ca: authority,
      publicKey: crypto.generateKeyPair('p256').publicKey,
      commonName: 'api',
      ...names,
      ...period,
    }),
  );

function lab(over: Partial<EnrolmentOptions> = {}, store = new MemoryStore()) {
  const clock = new ManualClock(now);
  const records: string[] = [];
  const live = new Set<string>();
  const issuer = new CertificateIssuer({
    clock,
    crypto,
    trustDomain: domain,
    authority: async () => ok({ ca, chainPem: '', validityMsMax: dayMs }),
    caPem: () => ca.certPem,
    revoked: () => undefined,
    record: async () => {
      records.push('issued');
      return ok(undefined);
    },
  });
  const enrolment = new Enrolment({
    clock,
    crypto,
    store,
    nodeId: 'node-1' as NodeId,
    trustDomain: domain,
    clusterId: 'cluster-1',
    issuer,
    caPem: () => ca.certPem,
    apiCertPem: () => apiCert(),
    addresses: () => ({ api: '127.0.0.1:1', link: '127.0.0.1:2' }),
    isLive: (node) => live.has(node),
    sourceOf: (ip) => ip,
    record: async (fact, _, reason, metadata) => {
      records.push(`${fact}: ${reason} ${JSON.stringify(metadata)}`);
      return ok(undefined);
    },
    ...over,
  });
  const tokenFor = async (nodeId = nine, ttlMs = dayMs): Promise<JoinToken> =>
    unwrap(readJoinToken(unwrap(await enrolment.issueToken({ nodeId, ttlMs, ...names }, operator)).token));
  return { clock, store, enrolment, records, live, tokenFor };
}

const requestFor = (
  key: KeyPair = crypto.generateKeyPair('p256'),
  over: { nodeId?: NodeId; dns?: readonly string[]; ip?: readonly string[] } = {},
) => createSigningRequest({ nodeId: nine, trustDomain: domain, key, ...names, ...over });
const shown = ({ id, secret }: JoinToken, request = requestFor()) => ({ id, secret, request });

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

  it('is worked on once at a time', async () => {
    const { enrolment, tokenFor, records } = lab();
    const token = await tokenFor();
    const both = await Promise.all([1, 2].map(() => enrolment.enrol(shown(token), stranger)));
    expect(both.filter((one) => one.ok)).toHaveLength(1);
    expect(records.filter((line) => line === 'issued')).toHaveLength(1);
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
    const blocked = lab({ record: async () => refuse('AUDIT_BLOCKED', 'Full.') });
    expect(refusalOf(await blocked.enrolment.issueToken(request, operator)).code).toBe('AUDIT_BLOCKED');
    expect(await blocked.store.entries('join-tokens')).toEqual([]);
    for (let made = 0; made < limits.joinTokensMax; made += 1) await tokenFor();
    expect(refusalOf(await enrolment.issueToken(request, operator)).code).toBe('LIMIT_EXCEEDED');
    clock.advance(dayMs + 1);
    expect((await enrolment.issueToken(request, operator)).ok).toBe(true);
  });
});
