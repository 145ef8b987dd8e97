import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CaxtonError, refuse } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import { type ApiLab, agentEcho, apiLab, echo, exchange, exchangeHttp2, gossipKeys, nodeStatus } from './api-lab.ts';

const message = { to: 'default/echo', performative: 'request', content: 'hello', timeoutMs: 1_000 };
const json = { 'content-type': 'application/json' };

describe('the management API', () => {
  let lab: ApiLab;
  beforeAll(async () => {
    lab = await apiLab();
  });
  afterAll(() => lab.api.close());

  it('answers over HTTP/2 and over HTTP/1.1, on TLS 1.3', async () => {
    const {
      status,
      json: body,
      alpn,
      tls,
    } = await exchangeHttp2(lab.address, '/api/v1/status', {
      authorization: `Bearer ${lab.key}`,
    });
    expect({ status, alpn, tls, body }).toEqual({ status: 200, alpn: 'h2', tls: 'TLSv1.3', body: nodeStatus });
    const first = await lab.get('/api/v1/status');
    expect([first.status, first.json]).toEqual([200, nodeStatus]);
  });

  it('says without a key that it lives and whether it is ready, and nothing else', async () => {
    for (const path of ['/health/live', '/health/ready'])
      expect((await exchange(lab.address, 'GET', path)).status).toBe(200);
    expect((await exchange(lab.address, 'HEAD', '/health/live')).text).toBe('');
    const refused = await exchange(lab.address, 'GET', '/api/v1/status');
    expect(refused.status).toBe(401);
    expect(refused.text).not.toContain('node-1');
  });

  it.each([
    ['/api/v1/cluster/members', 'node-1'],
    ['/api/v1/agents', 'default/echo'],
    ['/api/v1/actors', '/node'],
    ['/api/v1/metrics', 'caxton_x_total'],
    ['/api/v1/audit/records', 'NodeStarted'],
  ])('gives the list %s as items', async (path, word) => {
    const answer = await lab.get(path);
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.json.items).toHaveLength(1);
    expect(answer.text).toContain(word);
  });

  it('gives an empty list as empty items', async () => {
    expect((await lab.get('/api/v1/cluster/links')).json).toEqual({ items: [] });
  });

  it('names the gossip keys, and rotates them in the caller’s name', async () => {
    expect((await lab.get('/api/v1/cluster/keys')).json).toEqual(gossipKeys);
    const answer = await lab.ask('POST', '/api/v1/cluster/keys/rotations', {});
    expect([answer.status, answer.json]).toEqual([202, gossipKeys]);
    expect(lab.control.calls.at(-1)).toMatchObject({ name: 'rotateGossipKey', caller: { identity: 'apikey:dev' } });
  });

  it('passes a message on as it was asked, in the caller’s name', async () => {
    const answer = await lab.ask('POST', '/api/v1/messages', { headers: json, body: JSON.stringify(message) });
    expect(answer.json).toEqual({
      messageId: 'm-1',
      reply: { performative: 'inform', sender: echo, language: 'text', content: 'hello' },
    });
    const call = lab.control.calls.at(-1)!;
    expect(call.argument).toEqual(message);
    expect(call.caller).toEqual({
      identity: 'apikey:dev',
      sourceIp: '127.0.0.1',
      requestId: answer.headers['x-request-id'],
    });
  });

  it('deploys, removes and stops', async () => {
    const request = { manifest: 'm', capability: '' };
    const deployed = await lab.ask('POST', '/api/v1/agents', { headers: json, body: JSON.stringify(request) });
    expect([deployed.status, deployed.json]).toEqual([201, agentEcho]);
    expect(lab.control.calls.at(-1)).toMatchObject({ name: 'deploy', argument: request });
    expect((await lab.ask('DELETE', '/api/v1/agents/default/echo')).status).toBe(200);
    expect(lab.control.calls.at(-1)).toMatchObject({ name: 'remove', argument: 'default/echo' });
    const stopped = await lab.ask('POST', '/api/v1/server/shutdown');
    expect([stopped.status, stopped.json]).toEqual([202, { stopping: true }]);
    expect(lab.control.calls.at(-1)).toMatchObject({ name: 'shutdown' });
  });

  it('reads the limit of the audit records', async () => {
    await lab.get('/api/v1/audit/records');
    expect(lab.control.calls.at(-1)).toMatchObject({ argument: { limit: 100 } });
    await lab.get('/api/v1/audit/records?limit=7');
    expect(lab.control.calls.at(-1)).toMatchObject({ argument: { limit: 7 } });
  });

  const body = (value: unknown) => ({ headers: json, body: typeof value === 'string' ? value : JSON.stringify(value) });
  const bad: [
    what: string,
    method: string,
    path: string,
    options: object,
    status: number,
    code: string,
    word: string,
  ][] = [
    ['an unknown path', 'GET', '/api/v1/nothing', {}, 404, 'NOT_FOUND', 'no such path'],
    ['a path of another version', 'GET', '/api/v2/status', {}, 404, 'NOT_FOUND', 'no such path'],
    ['a wrong method', 'DELETE', '/api/v1/agents', {}, 405, 'NOT_FOUND', 'GET and POST'],
    ['a body that is not JSON', 'POST', '/api/v1/messages', body('{"to":'), 400, 'MALFORMED', 'not JSON'],
    ['an empty body', 'POST', '/api/v1/messages', body(''), 400, 'MALFORMED', 'empty'],
    ['no body', 'POST', '/api/v1/messages', {}, 400, 'MALFORMED', 'body'],
    ['a poisoned prototype', 'POST', '/api/v1/messages', body('{"__proto__":{"to":1}}'), 400, 'MALFORMED', ''],
    [
      'another media type',
      'POST',
      '/api/v1/messages',
      { headers: { 'content-type': 'text/plain' }, body: 'x' },
      415,
      'MALFORMED',
      'application/json',
    ],
    ['an unknown key', 'POST', '/api/v1/messages', body({ ...message, extra: 1 }), 400, 'MALFORMED', 'extra'],
    ['a missing key', 'POST', '/api/v1/messages', body({ ...message, to: undefined }), 400, 'MALFORMED', 'body.to'],
    ['a wrong agent', 'POST', '/api/v1/messages', body({ ...message, to: 'Echo' }), 400, 'MALFORMED', 'tenant/name'],
    [
      'a wrong act',
      'POST',
      '/api/v1/messages',
      body({ ...message, performative: 'shout' }),
      400,
      'MALFORMED',
      'body.performative',
    ],
    [
      'too long a wait',
      'POST',
      '/api/v1/messages',
      body({ ...message, timeoutMs: limits.askMsMax + 1 }),
      400,
      'MALFORMED',
      'body.timeoutMs',
    ],
    [
      'a body over the limit',
      'POST',
      '/api/v1/messages',
      body({ ...message, content: 'x'.repeat(limits.apiBodyBytesMax) }),
      413,
      'LIMIT_EXCEEDED',
      'larger than',
    ],
    [
      'a content over the limit',
      'POST',
      '/api/v1/messages',
      body({ ...message, content: 'x'.repeat(limits.contentBytesMax + 1) }),
      400,
      'MALFORMED',
      'body.content',
    ],
    ['a body where none belongs', 'POST', '/api/v1/server/shutdown', body({ now: true }), 400, 'MALFORMED', 'no body'],
    ['a limit of 0', 'GET', '/api/v1/audit/records?limit=0', {}, 400, 'MALFORMED', 'querystring.limit'],
    [
      'a limit over the limit',
      'GET',
      `/api/v1/audit/records?limit=${limits.apiRecordsMax + 1}`,
      {},
      400,
      'MALFORMED',
      'querystring.limit',
    ],
    ['a service that is none', 'GET', '/api/v1/agents?service=../x', {}, 400, 'MALFORMED', 'querystring.service'],
    ['a page over the limit', 'GET', '/api/v1/agents?limit=1001', {}, 400, 'MALFORMED', 'querystring.limit'],
    ['an agent that nobody hosts', 'GET', '/api/v1/agents/default/nobody', {}, 404, 'UNKNOWN_AGENT', 'default/nobody'],
    ['an unknown query key', 'GET', '/api/v1/status?verbose=1', {}, 400, 'MALFORMED', 'verbose'],
    ['a wrong agent name', 'DELETE', '/api/v1/agents/default/..%2Fecho', {}, 400, 'MALFORMED', 'params.name'],
    ['a broken escape in the path', 'GET', '/api/v1/%', {}, 400, 'MALFORMED', 'path'],
  ];
  it.each(bad)('refuses %s', async (_, method, path, options, status, code, word) => {
    const calls = lab.control.calls.length;
    const answer = await lab.ask(method, path, options);
    expect([answer.status, answer.json.code], answer.text).toEqual([status, code]);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(answer.json.type).toBe(`urn:caxton:error:${code}`);
    expect(answer.json.status).toBe(status);
    expect(answer.json.detail).toContain(word);
    expect((answer.json.reasons as string[]).length).toBeGreaterThan(0);
    expect(answer.json.mend).not.toBe('');
    expect(answer.json.requestId).toMatch(/^[0-9a-f]{24}$/);
    expect(answer.headers['x-request-id']).toBe(answer.json.requestId);
    expect(answer.text).not.toMatch(/\bat .*\.(ts|js):\d/);
    expect(lab.control.calls.length).toBe(calls);
  });

  it('names the methods that a path answers', async () => {
    expect((await lab.ask('PUT', '/api/v1/agents')).headers.allow).toBe('GET, POST');
  });

  it('gives every request an id of its own and takes none from the client', async () => {
    const asked = { 'x-request-id': 'mine', 'request-id': 'mine' };
    const ids = [await lab.get('/health/live', asked), await lab.get('/health/live')].map(
      (a) => a.headers['x-request-id'],
    );
    expect(new Set(ids).size).toBe(2);
    expect(ids).not.toContain('mine');
  });
});

describe('the management API’s answer when the node refuses or fails', () => {
  it('turns each refusal into a problem with its status', async () => {
    const codes = ['UNAUTHORIZED', 'UNKNOWN_AGENT', 'TIMED_OUT', 'INBOX_FULL'] as const;
    let at = 0;
    const lab = await apiLab({ over: { send: async () => refuse(codes[at++]!, 'first reason', 'second reason') } });
    const statuses: unknown[] = [];
    for (const _ of codes) {
      const answer = await lab.ask('POST', '/api/v1/messages', { headers: json, body: JSON.stringify(message) });
      expect(answer.json.reasons).toEqual(['first reason', 'second reason']);
      statuses.push([answer.json.code, answer.status]);
    }
    expect(statuses).toEqual([
      ['UNAUTHORIZED', 403],
      ['UNKNOWN_AGENT', 404],
      ['TIMED_OUT', 504],
      ['INBOX_FULL', 503],
    ]);
    await lab.api.close();
  });

  it('says when to try again', async () => {
    const refusal = { code: 'RATE_LIMIT_EXCEEDED', reasons: ['slow down'], retryAfterMs: 1_500 } as const;
    const lab = await apiLab({ over: { send: async () => ({ ok: false, refusal }) } });
    const answer = await lab.ask('POST', '/api/v1/messages', { headers: json, body: JSON.stringify(message) });
    expect([answer.status, answer.headers['retry-after'], answer.json.retryAfterMs]).toEqual([429, '2', 1_500]);
    await lab.api.close();
  });

  it('hides a bug behind a request id and reports it', async () => {
    const bug = new Error('secret-in-the-message');
    const lab = await apiLab({
      over: {
        members: () => {
          throw bug;
        },
        links: () => [{ wrong: 'shape' } as never],
        agents: () => {
          throw new CaxtonError('STOPPED', 'The registry has stopped.');
        },
      },
    });
    const thrown = await lab.get('/api/v1/cluster/members');
    expect([thrown.status, thrown.json.code]).toEqual([500, 'INTERNAL']);
    expect(thrown.text).not.toContain('secret');
    expect(lab.bugs).toEqual([bug]);
    // An answer that does not fit its schema never leaves the node.
    const shapeless = await lab.get('/api/v1/cluster/links');
    expect(shapeless.status).toBe(500);
    expect(lab.bugs).toHaveLength(2);
    const meant = await lab.get('/api/v1/agents');
    expect([meant.status, meant.json.code]).toEqual([503, 'STOPPED']);
    expect(lab.bugs).toHaveLength(2);
    await lab.api.close();
  });

  it('is not ready while the node is not running', async () => {
    const lab = await apiLab({ over: { status: () => ({ ...nodeStatus, state: 'starting' }) } });
    const answer = await exchange(lab.address, 'GET', '/health/ready');
    expect([answer.status, answer.json]).toEqual([503, { ready: false, state: 'starting' }]);
    expect((await exchange(lab.address, 'GET', '/health/live')).status).toBe(200);
    await lab.api.close();
  });
});
