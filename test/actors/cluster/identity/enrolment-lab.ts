import { CertificateIssuer } from '../../../../src/actors/cluster/identity/certificate-issuer.ts';
import { Enrolment, type EnrolmentOptions } from '../../../../src/actors/cluster/identity/enrolment.ts';
import { enrolmentAttempts } from '../../../../src/actors/cluster/identity/enrolment-attempts.ts';
import { IssuedCertificates } from '../../../../src/actors/cluster/identity/issued-certificates.ts';
import { JoinTokens } from '../../../../src/actors/cluster/identity/join-tokens.ts';
import { oneByOne } from '../../../../src/actors/cluster/identity/one-by-one.ts';
import { ReEnrolment, type ReEnrolmentOptions } from '../../../../src/actors/cluster/identity/re-enrolment.ts';
import { issueServerCertificate } from '../../../../src/crypto/certificate.ts';
import { type JoinToken, readJoinToken } from '../../../../src/crypto/join-token.ts';
import type { KeyPair } from '../../../../src/crypto/port.ts';
import { createSigningRequest } from '../../../../src/crypto/signing-request.ts';
import { ok, refuse, unwrap } from '../../../../src/errors.ts';
import type { NodeId } from '../../../../src/names.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { MemoryStore } from '../../../../src/testing/memory-store.ts';
import { crypto, dayMs, domain, makeCa, now, period } from '../../../crypto/fixtures.ts';

/** What the tests of enrolment share: a CA node’s part of it, with a clock, a store and a log that tests hold. */
export const ca = makeCa();
export const nine = 'node-9' as NodeId;
export const operator = { identity: 'apikey:dev', sourceIp: '127.0.0.1', requestId: 'r1' };
export const stranger = { identity: 'open', sourceIp: '10.0.0.9', requestId: 'r2' };
export const names = { dns: ['nine.test'], ip: ['10.0.0.9'] };
export const apiCert = (authority = ca) =>
  unwrap(
    issueServerCertificate(crypto, {
      ca: authority,
      publicKey: crypto.generateKeyPair('p256').publicKey,
      commonName: 'api',
      ...names,
      ...period,
    }),
  );

export const windowMs = 7 * dayMs;
export const clusterId = 'cluster-1';

export function lab(
  over: Partial<EnrolmentOptions> = {},
  store = new MemoryStore(),
  again: Partial<ReEnrolmentOptions> = {},
) {
  const clock = new ManualClock(now);
  const records: string[] = [];
  const log = { blocked: false };
  const live = new Set<string>();
  const revoked = new Set<string>();
  /** Up to when the certificates of a node are revoked. */
  const until = new Map<NodeId, number>();
  const find: EnrolmentOptions['revoked'] = ({ nodeId, serial, notBefore = Number.POSITIVE_INFINITY }) =>
    revoked.has(serial) || (nodeId && (revoked.has(nodeId) || notBefore <= (until.get(nodeId) ?? 0)))
      ? refuse('REVOKED', 'Revoked.').refusal
      : undefined;
  const issued = new IssuedCertificates(
    clock,
    store,
    windowMs,
    (held, nodeId) => find({ nodeId, ...held }) !== undefined,
  );
  const issuer = new CertificateIssuer({
    clock,
    crypto,
    trustDomain: domain,
    authority: async () => ok({ ca, chainPem: '', validityMsMax: dayMs }),
    caPem: () => ca.certPem,
    revoked: find,
    revokedUntil: (node) => until.get(node),
    issued,
    record: async () => {
      if (log.blocked) return refuse('AUDIT_BLOCKED', 'The disk is full.');
      records.push('issued');
      return ok(undefined);
    },
  });
  const shared = {
    ...{ clock, trustDomain: domain, clusterId, issuer, revoked: find },
    caPem: () => ca.certPem,
    attempt: enrolmentAttempts(clock, (ip) => ip),
    inTurn: oneByOne(),
    record: (async (fact, _, reason, metadata) => {
      records.push(`${fact}: ${reason} ${JSON.stringify(metadata)}`);
      return ok(undefined);
    }) satisfies EnrolmentOptions['record'],
  };
  const enrolment = new Enrolment({
    ...shared,
    crypto,
    tokens: new JoinTokens(store, clock),
    nodeId: 'node-1' as NodeId,
    apiCertPem: () => apiCert(),
    addresses: () => ({ api: '127.0.0.1:1', link: '127.0.0.1:2' }),
    holding: async (node) => ({
      up: live.has(node),
      certificates: (await issued.of(node)).filter(({ notAfter }) => notAfter > clock.now()),
    }),
    fault: (message) => records.push(`fault: ${message}`),
    ...over,
  });
  const reEnrolment = new ReEnrolment({
    ...shared,
    ...again,
    windowMs: 'windowMs' in again ? again.windowMs : windowMs,
    known: (node) => issued.of(node),
    isUp: (node) => live.has(node),
  });
  const tokenFor = async (nodeId = nine, ttlMs = dayMs, replace = false): Promise<JoinToken> =>
    unwrap(readJoinToken(unwrap(await enrolment.issueToken({ nodeId, ttlMs, replace, ...names }, operator)).token));
  return { clock, store, enrolment, reEnrolment, records, log, live, revoked, until, issued, tokenFor };
}

export const requestFor = (
  key: KeyPair = crypto.generateKeyPair('p256'),
  over: { nodeId?: NodeId; dns?: readonly string[]; ip?: readonly string[] } = {},
) => createSigningRequest({ nodeId: nine, trustDomain: domain, key, ...names, ...over });
export const shown = ({ id, secret }: JoinToken, request = requestFor()) => ({ id, secret, request });
