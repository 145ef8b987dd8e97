import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { CertificateIssuer, type IssuanceRecord } from '../../../../src/actors/cluster/identity/certificate-issuer.ts';
import { CertificateRequests } from '../../../../src/actors/cluster/identity/certificate-requests.ts';
import { CertificateService } from '../../../../src/actors/cluster/identity/certificate-service.ts';
import { IssuedCertificates } from '../../../../src/actors/cluster/identity/issued-certificates.ts';
import { certificatePem } from '../../../../src/actors/cluster/identity/pem.ts';
import type { LinkSession } from '../../../../src/actors/cluster/links/link-session.ts';
import { utf8 } from '../../../../src/actors/kernel/utf8.ts';
import { issueIntermediateCa } from '../../../../src/crypto/certificate.ts';
import { joinChain } from '../../../../src/crypto/certificate-chain.ts';
import type { KeyPair } from '../../../../src/crypto/port.ts';
import { type NodeSvid, verifyNodeSvid } from '../../../../src/crypto/svid.ts';
import { ok, type Refusal, type Result, refuse, unwrap } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import type { NodeId } from '../../../../src/names.ts';
import {
  type CertificateAnswer,
  decodeCertificateAnswer,
  encodeCertificateAnswer,
  encodeCertificateRequest,
} from '../../../../src/protocols/link/certificate-frame.ts';
import { ManualClock, settle } from '../../../../src/testing/manual-clock.ts';
import { MemoryStore } from '../../../../src/testing/memory-store.ts';
import {
  crypto,
  dayMs,
  derOf,
  domain,
  makeCa,
  nodeCertificate,
  nodeOne,
  now,
  refusalOf,
} from '../../../crypto/fixtures.ts';
import { altNames, requestWith } from '../../../crypto/request-fixtures.ts';

const ca = makeCa();
const heldKey = crypto.generateKeyPair('p256');
const held = nodeCertificate(ca, undefined, heldKey);
const svidOf = (der: Uint8Array, at = now): NodeSvid =>
  unwrap(verifyNodeSvid(der, { caPem: ca.certPem, trustDomain: domain, now: at }));

interface LabOptions {
  readonly authority?: typeof ca;
  /** What stands behind a certificate of the authority. */
  readonly above?: string;
  /** What the peer shows, with its intermediates. */
  readonly shown?: Uint8Array;
  readonly record?: (issued: IssuanceRecord) => Promise<Result<unknown>>;
  readonly congested?: boolean;
  readonly store?: MemoryStore;
}

function lab({
  authority = ca,
  above = '',
  shown = held,
  record = async () => ok(undefined),
  congested = false,
  store = new MemoryStore(),
}: LabOptions = {}) {
  const clock = new ManualClock(now);
  const records: IssuanceRecord[] = [];
  const refused: Refusal[] = [];
  const faults: unknown[] = [];
  const answers: CertificateAnswer[] = [];
  const order: string[] = [];
  const revoked = new Set<string>();
  const issued = new IssuedCertificates(clock, store, 0, ({ serial }) => revoked.has(serial));
  const issuer = new CertificateIssuer({
    clock,
    crypto,
    trustDomain: domain,
    authority: async () => ok({ ca: authority, chainPem: above, validityMsMax: 90 * dayMs }),
    caPem: () => ca.certPem,
    revoked: ({ nodeId, serial, issuerSerials = [] }) =>
      [nodeId, serial, ...issuerSerials].some((one) => one !== undefined && revoked.has(one))
        ? refuse('REVOKED', 'Revoked.').refusal
        : undefined,
    revokedUntil: () => undefined,
    issued,
    record: async (issued) => {
      order.push('recorded');
      records.push(issued);
      return record(issued);
    },
  });
  const service = new CertificateService({
    clock,
    issuer,
    refused: (_, refusal) => void refused.push(refusal),
    fault: (_, error) => void faults.push(error),
  });
  const link = {
    nodeId: nodeOne,
    svid: svidOf(shown),
    congested,
    channel: { remote: { host: '10.0.0.1', port: 1 } },
    send: (_: string, header: Uint8Array, content: Uint8Array) => {
      order.push('answered');
      answers.push(unwrap(decodeCertificateAnswer(utf8, { header, content })).unverified);
      return ok(undefined);
    },
  } as unknown as LinkSession;
  let last = 0;
  const ask = (request: Uint8Array) => {
    last += 1;
    return service.take(link, encodeCertificateRequest(utf8, { id: last, request }));
  };
  /** The leaf of each answer, or the code of its refusal. */
  const given = () =>
    answers.map((answer) =>
      'chain' in answer ? Buffer.from(answer.chain[0]!).toString('base64') : answer.refusal.code,
    );
  return { clock, ask, service, link, records, refused, faults, answers, order, revoked, given };
}

/** The answer to one request, which must be a refusal. */
async function refusedWith(request: Uint8Array, options?: LabOptions): Promise<{ code: string; text: string }> {
  const { ask, answers, records, refused } = lab(options);
  unwrap(ask(request));
  await settle();
  const [answer] = answers;
  if (!answer || 'chain' in answer) throw new Error('It was issued.');
  expect(refused).toMatchObject([answer.refusal]);
  if (!options?.record) expect(records).toEqual([]);
  return { code: answer.refusal.code, text: answer.refusal.reasons.join('\n') };
}

describe('a CA node below the root', () => {
  const online = unwrap(
    issueIntermediateCa(crypto, { ca, trustDomain: domain, notBefore: now - 2 * dayMs, notAfter: now + 2 * dayMs }),
  );
  const shown = joinChain([nodeCertificate(online, undefined, heldKey), derOf(online.certPem)]);
  const below = { authority: online, above: online.certPem, shown };

  it('hands its own certificate out behind the one that it issued, with the names that the peer has', async () => {
    const { ask, answers } = lab(below);
    unwrap(ask(requestWith({})));
    await settle();
    const [answer] = answers;
    if (!answer || !('chain' in answer)) throw new Error('It was refused.');
    expect(answer.chain.slice(1)).toEqual([derOf(online.certPem)]);
    expect(svidOf(joinChain(answer.chain)).nodeId).toBe(nodeOne);
    expect(new X509Certificate(answer.chain[0]!).subjectAltName).toContain('DNS:localhost, IP Address:127.0.0.1');
  });

  it('issues nothing that peers would refuse: without the certificate between, or once its own is revoked', async () => {
    expect(await refusedWith(requestWith({}), { ...below, above: '' })).toMatchObject({ code: 'CERTIFICATE_REFUSED' });
    const { ask, answers, revoked, records } = lab(below);
    revoked.add(new X509Certificate(online.certPem).serialNumber);
    unwrap(ask(requestWith({})));
    await settle();
    expect([answers.map((answer) => 'chain' in answer), records]).toEqual([[false], []]);
  });
});

describe('a CA node', () => {
  it('issues to a peer for its new key, once that is recorded', async () => {
    const { ask, answers, records, order } = lab();
    const key = crypto.generateKeyPair('p256');
    unwrap(ask(requestWith({ key })));
    await settle();
    const [answer] = answers;
    if (!answer || !('chain' in answer)) throw new Error('It was refused.');
    const svid = svidOf(answer.chain[0]!);
    expect(svid.publicKey.equals(key.publicKey)).toBe(true);
    expect(svid.notAfter - svid.notBefore).toBe(2 * dayMs);
    expect(order).toEqual(['recorded', 'answered']);
    expect(records).toEqual([
      {
        spiffeId: svid.spiffeId,
        sourceIp: '10.0.0.1',
        serial: svid.serial,
        notAfter: svid.notAfter,
        replaces: svidOf(held).serial,
      },
    ]);
    expect(new X509Certificate(Buffer.from(answer.chain[0]!)).subjectAltName).toBe(
      `URI:spiffe://${domain}/node/${nodeOne}, DNS:localhost, IP Address:127.0.0.1`,
    );
  });

  it.each<[string, () => Uint8Array]>([
    ['another’s name', () => requestWith({ extensions: altNames(`spiffe://${domain}/node/node-2`) })],
    ['another’s common name', () => requestWith({ subject: [{ name: 'commonName', value: 'node-2' }] })],
    ['a name of another domain', () => requestWith({ extensions: altNames(`spiffe://evil/node/${nodeOne}`) })],
    ['a DNS name that it does not have', () => requestWith({ extensions: altNames(undefined, ['bank.test']) })],
    ['an address that it does not have', () => requestWith({ extensions: altNames(undefined, [], ['10.9.9.9']) })],
    ['to be a CA', () => requestWith({ extensions: [...altNames(), { name: 'basicConstraints', cA: true }] })],
    ['no names', () => requestWith({ extensions: [] })],
    ['the key that it has already', () => requestWith({ key: heldKey })],
  ])('refuses a peer that asks for %s', async (_, request) => {
    expect((await refusedWith(request())).code).toBe('CERTIFICATE_REFUSED');
  });

  it('refuses one more URI name, whatever it is', async () => {
    const uris = [`spiffe://${domain}/node/${nodeOne}`, `spiffe://${domain}/node/node-2`];
    const extensions = [{ name: 'subjectAltName', altNames: uris.map((value) => ({ type: 6, value })) }];
    expect((await refusedWith(requestWith({ extensions }))).code).toBe('CERTIFICATE_REFUSED');
  });

  it('refuses a request that another key signed, and bytes that are none', async () => {
    const signWith: KeyPair = crypto.generateKeyPair('p256');
    expect((await refusedWith(requestWith({ signWith }))).code).toBe('SIGNATURE_INVALID');
    expect((await refusedWith(Uint8Array.of(1, 2, 3))).code).toBe('MALFORMED');
  });

  it('issues nothing that it cannot record, or that members would refuse', async () => {
    const blocked = async () => refuse('AUDIT_BLOCKED', 'Full.');
    expect((await refusedWith(requestWith(), { record: blocked })).code).toBe('AUDIT_BLOCKED');
    const other = await refusedWith(requestWith(), { authority: makeCa() });
    expect(other.text).toContain('not signed by this cluster’s CA');
  });

  it('refuses a peer whose certificate has ended since its link came up', async () => {
    const { ask, clock, answers } = lab();
    clock.advance(2 * dayMs);
    unwrap(ask(requestWith()));
    await settle();
    expect(answers).toMatchObject([{ refusal: { code: 'CERTIFICATE_REFUSED' } }]);
  });

  it('refuses a peer that is revoked, should its link still be there', async () => {
    const { ask, answers, revoked, records } = lab();
    revoked.add(nodeOne);
    unwrap(ask(requestWith()));
    await settle();
    expect([answers, records]).toMatchObject([[{ refusal: { code: 'REVOKED' } }], []]);
  });

  it('closes the link of a huge request, or of one in no form', () => {
    const { ask, service, link } = lab();
    expect(refusalOf(ask(new Uint8Array(limits.signingRequestBytesMax + 1))).code).toBe('LIMIT_EXCEEDED');
    expect(service.take(link, { header: Uint8Array.of(0), content: Uint8Array.of() }).ok).toBe(false);
  });

  it('works on one request of a peer at a time, so many a minute, and says when to come back', async () => {
    const { ask, answers, clock, records } = lab();
    ask(requestWith());
    ask(requestWith());
    await settle();
    const codes = () => answers.map((answer) => ('chain' in answer ? 'issued' : answer.refusal.code));
    expect(codes().sort()).toEqual(['RATE_LIMIT_EXCEEDED', 'issued']);
    answers.length = 0;
    for (let asked = 0; asked < 100; asked += 1) {
      ask(requestWith());
      await settle();
    }
    expect(codes().filter((code) => code === 'issued')).toHaveLength(limits.issuancesAtOnceMax - 1);
    expect(answers.at(-1)).toMatchObject({ refusal: { retryAfterMs: 1_000 } });
    clock.advance(1_000);
    ask(requestWith());
    await settle();
    expect(codes().at(-1)).toBe('issued');
    expect(records).toHaveLength(limits.issuancesAtOnceMax + 1);
  });

  it('sends nothing to a peer that does not read', async () => {
    const { ask, answers, refused } = lab({ congested: true });
    ask(Uint8Array.of(1));
    await settle();
    expect([answers, refused.length]).toEqual([[], 1]);
  });

  it('tells a peer nothing of its own faults', async () => {
    const { ask, answers, faults } = lab({ record: () => Promise.reject(new Error('secret path')) });
    ask(requestWith());
    await settle();
    expect(JSON.stringify(answers)).not.toContain('secret');
    expect([answers.length, faults.length]).toEqual([1, 1]);
  });
});

describe('a CA node that is asked again with the same key, since the answer was lost', () => {
  const key = crypto.generateKeyPair('p256');
  const asked = async (made: ReturnType<typeof lab>, request = requestWith({ key })) => {
    unwrap(made.ask(request));
    await settle();
    return made.given().at(-1)!;
  };

  it('gives the certificate that it had issued, also when it crashed in between, and records each time', async () => {
    const store = new MemoryStore();
    const before = lab({ store });
    const first = await asked(before);
    expect(await asked(before)).toBe(first);
    const after = lab({ store });
    expect(await asked(after)).toBe(first);
    const { serial } = svidOf(Buffer.from(first, 'base64'));
    expect([...before.records, ...after.records].map((record) => [record.serial, record.again])).toEqual([
      [serial, undefined],
      [serial, true],
      [serial, true],
    ]);
  });

  it('has it recorded when the crash came before the record', async () => {
    const store = new MemoryStore();
    const before = lab({ store, record: () => new Promise(() => {}) });
    unwrap(before.ask(requestWith({ key })));
    await settle();
    expect(before.answers).toEqual([]);
    const after = lab({ store });
    const { serial } = svidOf(Buffer.from(await asked(after), 'base64'));
    expect(after.records).toMatchObject([{ serial, again: true }]);
  });

  it('gives another one for another key, other names, once it has ended, and under another CA', async () => {
    const store = new MemoryStore();
    const made = lab({ store });
    const first = await asked(made);
    const others = [
      await asked(made, requestWith({})),
      await asked(made, requestWith({ key, extensions: altNames(undefined, []) })),
    ];
    const online = unwrap(
      issueIntermediateCa(crypto, { ca, trustDomain: domain, notBefore: now - 2 * dayMs, notAfter: now + 2 * dayMs }),
    );
    others.push(await asked(lab({ store, authority: online, above: online.certPem })));
    expect(new Set([first, ...others]).size).toBe(4);
    expect(others.every((one) => one.length > 64)).toBe(true);
  });

  it('refuses the key once its certificate is revoked', async () => {
    const made = lab();
    const { serial } = svidOf(Buffer.from(await asked(made), 'base64'));
    made.revoked.add(serial);
    expect(await asked(made)).toBe('REVOKED');
    expect(made.records).toHaveLength(1);
  });
});

describe('a node that asks', () => {
  const peer = 'node-2' as NodeId;
  const chain = [nodeCertificate(ca)];

  function asking(send: () => Result<void> = () => ok(undefined)) {
    const clock = new ManualClock(now);
    const requests = new CertificateRequests({ clock, send });
    const answer = (from: NodeId, id: number) => requests.take(from, encodeCertificateAnswer(utf8, { id, chain }));
    return { clock, requests, answer };
  }

  it('takes the answer of whom it asked, to what it asked, once', async () => {
    const { requests, answer } = asking();
    const asked = requests.ask(peer, Uint8Array.of(1));
    let settled = false;
    void asked.then(() => {
      settled = true;
    });
    unwrap(answer('node-3' as NodeId, 1));
    unwrap(answer(peer, 2));
    await settle();
    expect(settled).toBe(false);
    unwrap(answer(peer, 1));
    expect(unwrap(await asked)).toBe(certificatePem(chain[0]!));
    // A second one, and one that comes again for the next request, reach nobody.
    unwrap(answer(peer, 1));
    const next = requests.ask(peer, Uint8Array.of(1));
    unwrap(answer(peer, 1));
    requests.lost(peer);
    expect(refusalOf(await next).code).toBe('UNREACHABLE');
  });

  it('does not wait for ever, nor for a link that is down', async () => {
    const { requests, clock } = asking();
    const asked = requests.ask(peer, Uint8Array.of(1));
    clock.advance(limits.issuanceAnswerMsMax);
    expect(refusalOf(await asked).code).toBe('TIMED_OUT');
    const down = asking(() => refuse('UNREACHABLE', 'down'));
    expect(refusalOf(await down.requests.ask(peer, Uint8Array.of(1))).code).toBe('UNREACHABLE');
  });

  it('closes the link of an answer in no form', () => {
    const { requests } = asking();
    expect(requests.take(peer, { header: Uint8Array.of(0), content: Uint8Array.of() }).ok).toBe(false);
  });
});
