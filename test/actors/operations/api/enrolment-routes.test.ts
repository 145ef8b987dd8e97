import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NodeControl } from '../../../../src/actors/operations/control.ts';
import type { EnrolmentControl } from '../../../../src/actors/operations/enrolment-control.ts';
import { type JoinToken, readJoinToken } from '../../../../src/crypto/join-token.ts';
import { ok, type Result, refuse, unwrap } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import type { NodeId } from '../../../../src/names.ts';
import { crypto, dayMs } from '../../../crypto/fixtures.ts';
import { ca, lab as enrolmentLab, names, nine, requestFor } from '../../cluster/identity/enrolment-lab.ts';
import { type Answer, type ApiLab, apiLab, exchange } from './api-lab.ts';

const json = { 'content-type': 'application/json' };
const enrolment = '/api/v1/enrolment';
const renewals = '/api/v1/enrolment/renewals';
const tokens = '/api/v1/security/join-tokens';
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** What stands behind the routes; anew for each test. */
let made: ReturnType<typeof enrolmentLab>;
const answered = (result: Result<string>) => (result.ok ? ok({ certificate: result.value, ca: ca.certPem }) : result);
const behind: EnrolmentControl = {
  async joinToken(request, caller) {
    const issued = await made.enrolment.issueToken(request, caller);
    return issued.ok ? ok({ ...issued.value, expiresAt: new Date(issued.value.expiresAt).toISOString() }) : issued;
  },
  joinTokens: async () => ok([]),
  async cancelJoinToken(id, caller) {
    const cancelled = await made.enrolment.cancelToken(id, caller);
    return cancelled.ok ? ok({ nodeId: cancelled.value.nodeId }) : cancelled;
  },
  enrolmentCa: () => ok(ca.certPem),
  enrol: async (request, caller) => answered(await made.enrolment.enrol(request, caller)),
  enrolAgain: async (request, caller) => answered(await made.reEnrolment.renew(request, caller)),
  certificatesOf: async () => [],
};

let api: ApiLab;
beforeAll(async () => {
  api = await apiLab({ over: behind as Partial<NodeControl> });
});
afterAll(() => api.api.close());
beforeEach(() => {
  made = enrolmentLab();
});

/** As somebody who has no API key. */
const stranger = (path: string, body: unknown, headers: Record<string, string> = json): Promise<Answer> =>
  exchange(api.address, 'POST', path, headers, typeof body === 'string' ? body : JSON.stringify(body));
const shows = ({ id, secret }: JoinToken, request = requestFor()) => ({ id, secret, request: base64(request) });
const tokenFor = async (nodeId: NodeId = nine): Promise<JoinToken> => {
  const asked = JSON.stringify({ nodeId, ttlMs: dayMs, ...names });
  const answer = await api.ask('POST', tokens, { headers: json, body: asked });
  expect(answer.status).toBe(201);
  return unwrap(readJoinToken(String(answer.json.token)));
};

describe('the API’s way to join', () => {
  it('takes a token without an API key, and makes none without one', async () => {
    const token = await tokenFor();
    const joined = await stranger(enrolment, shows(token));
    expect([joined.status, String(joined.json.certificate).startsWith('-----BEGIN CERTIFICATE')]).toEqual([201, true]);
    const asked = JSON.stringify({ nodeId: 'node-8', ttlMs: dayMs });
    for (const [method, path] of [
      ['POST', tokens],
      ['GET', tokens],
      ['DELETE', `${tokens}/${token.id}`],
      ['GET', '/api/v1/security/certificates/node-9'],
    ] as const)
      expect((await exchange(api.address, method, path, json, method === 'POST' ? asked : undefined)).status).toBe(401);
  });

  it('shows the CA to everybody, and nothing that only members may know to anybody', async () => {
    const shown = await exchange(api.address, 'GET', '/api/v1/enrolment/ca');
    expect(shown.json).toEqual({ ca: ca.certPem });
    const joined = await stranger(enrolment, shows(await tokenFor()));
    // The gossip key, authorities and members come over mutual TLS alone.
    expect(Object.keys(joined.json).sort()).toEqual(['ca', 'certificate']);
  });

  const bad: [what: string, path: string, body: unknown, status: number, headers?: Record<string, string>][] = [
    ['no JSON', enrolment, '{"id":', 400],
    ['no body', enrolment, '', 400],
    ['a list', enrolment, [], 400],
    ['another media type', enrolment, 'id=1', 415, { 'content-type': 'application/x-www-form-urlencoded' }],
    ['text', enrolment, '{}', 415, { 'content-type': 'text/plain' }],
    ['no media type', enrolment, '{}', 415, {}],
    ['a missing field', enrolment, { id: 'a', secret: 'b' }, 400],
    ['a field more', enrolment, { id: 'a', secret: 'b', request: 'AA==', nodeId: 'node-1' }, 400],
    ['a prototype', enrolment, '{"__proto__":{"id":"a"}}', 400],
    ['numbers', enrolment, { id: 1, secret: 2, request: 3 }, 400],
    ['an id that is too long', enrolment, { id: 'a'.repeat(65), secret: 'b', request: 'AA==' }, 400],
    ['a secret that is too long', enrolment, { id: 'a', secret: 'b'.repeat(129), request: 'AA==' }, 400],
    ['no base64', enrolment, { id: 'a', secret: 'b', request: '*' }, 400],
    [
      'a request over the limit',
      enrolment,
      { id: 'a', secret: 'b', request: 'A'.repeat(2 * limits.signingRequestBytesMax + 4) },
      400,
    ],
    ['a body over the limit', enrolment, ' '.repeat(limits.apiBodyBytesMax + 1), 413],
    [
      'a certificate over the limit',
      renewals,
      { certificate: 'x'.repeat(30_000), request: 'AA==', proof: 'AA==' },
      400,
    ],
    ['a renewal without a proof', renewals, { certificate: 'x', request: 'AA==' }, 400],
    ['a renewal in text', renewals, '{}', 415, { 'content-type': 'text/plain' }],
  ];
  it.each(bad)('refuses %s before anything is looked up', async (_, path, body, status, headers) => {
    const answer = await stranger(path, body, headers);
    expect(answer.status, answer.text).toBe(status);
    expect(made.records).toEqual([]);
  });

  it.each([
    ['a node id', { nodeId: 'Node 9', ttlMs: dayMs }],
    ['a time under a minute', { nodeId: 'node-9', ttlMs: 1 }],
    ['a time over a week', { nodeId: 'node-9', ttlMs: limits.joinTokenMsMax + 1 }],
    ['too many names', { nodeId: 'node-9', ttlMs: dayMs, dns: Array.from({ length: 65 }, () => 'a.test') }],
    ['replace as text', { nodeId: 'node-9', ttlMs: dayMs, replace: 'yes' }],
  ])('makes no token for what is no %s', async (_, body) => {
    const answer = await api.ask('POST', tokens, { headers: json, body: JSON.stringify(body) });
    expect([answer.status, answer.json.code]).toEqual([400, 'MALFORMED']);
  });

  it('answers every wrong token alike: unknown, guessed, of another node, used for another key, over, cancelled', async () => {
    const used = await tokenFor();
    await stranger(enrolment, shows(used));
    const [guessed, cancelled, ended] = [
      await tokenFor('node-6' as NodeId),
      await tokenFor('node-7' as NodeId),
      await tokenFor('node-8' as NodeId),
    ];
    expect((await api.ask('DELETE', `${tokens}/${cancelled.id}`)).status).toBe(200);
    made.clock.advance(120_000);
    const answers = [
      await stranger(enrolment, shows({ ...used, id: 'cd'.repeat(16) })),
      await stranger(enrolment, shows({ ...guessed, secret: Buffer.alloc(32).toString('base64url') })),
      await stranger(enrolment, shows(used)),
      await stranger(enrolment, shows(cancelled)),
    ];
    made.clock.advance(dayMs);
    answers.push(await stranger(enrolment, shows(ended)));
    const texts = new Set(answers.map(({ json: { requestId: _, ...problem } }) => JSON.stringify(problem)));
    expect(texts.size, [...texts].join('\n')).toBe(1);
    expect(answers[0]!.status).toBe(401);
  });

  it('does the same for a token that there is as for one that there is not', async () => {
    const token = await tokenFor();
    const wrong = { ...token, secret: Buffer.alloc(32).toString('base64url') };
    const none = { ...wrong, id: 'cd'.repeat(16) };
    const looked: number[] = [];
    for (const one of [wrong, none]) {
      const before = made.records.length;
      await stranger(enrolment, shows(one));
      // The same acts: one look-up, one comparison, one record.
      looked.push(made.records.length - before);
    }
    expect(looked).toEqual([1, 1]);
  });

  it('lets a source guess six times a minute, says when to come again, and locks nobody else out', async () => {
    const token = await tokenFor();
    const wrong = { ...token, secret: Buffer.alloc(32).toString('base64url') };
    const answers: Answer[] = [];
    for (let guesses = 0; guesses < 8; guesses += 1) answers.push(await stranger(enrolment, shows(wrong)));
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401, 401, 429, 429]);
    expect(Number(answers.at(-1)!.headers['retry-after'])).toBeGreaterThan(0);
    // With the right secret as well: whoever guesses cannot tell when it was right.
    expect((await stranger(enrolment, shows(token))).status).toBe(429);
    made.clock.advance(60_000);
    expect((await stranger(enrolment, shows(token))).status).toBe(201);
  });

  it('lets exactly one of two keys in that show one token at once', async () => {
    const token = await tokenFor();
    const both = await Promise.all([1, 2].map(() => stranger(enrolment, shows(token))));
    expect(both.map(({ status }) => status).sort()).toEqual([201, 401]);
  });

  it('answers the same request again with the same certificate, and refuses the replay of it with another key', async () => {
    const token = await tokenFor();
    const request = requestFor(crypto.generateKeyPair('p256'));
    const first = await stranger(enrolment, shows(token, request));
    expect((await stranger(enrolment, shows(token, request))).json).toEqual(first.json);
    expect((await stranger(enrolment, shows(token))).json.code).toBe('UNAUTHENTICATED');
  });

  it('refuses a request for another identity than the token’s with 403, and goes on with the right one', async () => {
    const token = await tokenFor();
    for (const over of [{ nodeId: 'node-1' as NodeId }, { dns: ['bank.test'] }, { ip: [] }]) {
      const answer = await stranger(enrolment, shows(token, requestFor(undefined, over)));
      expect([answer.status, answer.json.code]).toEqual([403, 'CERTIFICATE_REFUSED']);
    }
    expect((await stranger(enrolment, shows(token))).status).toBe(201);
  });

  it('refuses a token of another CA node as one that it does not know', async () => {
    const token = await tokenFor();
    made = enrolmentLab();
    expect((await stranger(enrolment, shows(token))).json.code).toBe('UNAUTHENTICATED');
  });

  it('says that a node is known, and what to do, to whoever may make tokens', async () => {
    await stranger(enrolment, shows(await tokenFor()));
    const asked = JSON.stringify({ nodeId: nine, ttlMs: dayMs, ...names });
    const answer = await api.ask('POST', tokens, { headers: json, body: asked });
    expect([answer.status, answer.json.code]).toEqual([409, 'ALREADY_EXISTS']);
    expect(answer.json.detail).toContain('--replace');
  });

  it('answers a renewal without its key with 401, and cancels no token that is not there', async () => {
    const renewal = { certificate: ca.certPem, request: base64(requestFor()), proof: base64(new Uint8Array(64)) };
    expect((await stranger(renewals, renewal)).status).toBe(401);
    expect((await api.ask('DELETE', `${tokens}/${'cd'.repeat(16)}`)).status).toBe(404);
    expect((await api.ask('DELETE', `${tokens}/..%2f..`)).status).toBe(400);
  });
});

describe('a node that is no CA node', () => {
  it('answers all of it with 501', async () => {
    const nothing = refuse('NOT_SUPPORTED', 'No CA node.');
    const other = await apiLab({
      over: { joinToken: async () => nothing, enrol: async () => nothing, enrolmentCa: () => nothing },
    });
    const body = JSON.stringify({ id: 'a', secret: 'b', request: 'AA==' });
    expect((await exchange(other.address, 'POST', enrolment, json, body)).status).toBe(501);
    expect((await exchange(other.address, 'GET', '/api/v1/enrolment/ca')).status).toBe(501);
    await other.api.close();
  });
});
