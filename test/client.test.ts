import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { nodeClock } from '../src/actors/kernel/node-clock.ts';
import { type Client, createClient } from '../src/client.ts';
import { issueCa } from '../src/crypto/certificate.ts';
import { osCrypto } from '../src/crypto/port.ts';
import { ok, refuse } from '../src/errors.ts';
import { type ApiLab, agentEcho, apiLab, ca, echo, nodeStatus, tlsIdentity } from './actors/operations/api/api-lab.ts';

const urlOf = ({ port }: { port: number }) => `https://127.0.0.1:${port}`;
const request = { to: echo, performative: 'request', content: 'hello', timeoutMs: 1_000 } as const;

describe('the client', () => {
  let lab: ApiLab;
  let client: Client;
  beforeAll(async () => {
    lab = await apiLab();
    client = createClient({ address: urlOf(lab.address), caPem: ca.certPem, apiKey: lab.key });
  });
  afterAll(async () => {
    client.close();
    await lab.api.close();
  });

  it('reads every view', async () => {
    expect(await client.live()).toEqual({ live: true });
    expect(await client.ready()).toEqual({ ready: true, state: 'running' });
    expect(await client.status()).toEqual(nodeStatus);
    expect(await client.members()).toMatchObject([{ nodeId: 'node-1', status: 'alive' }]);
    expect(await client.links()).toEqual([]);
    expect(await client.agents()).toEqual([agentEcho]);
    expect(await client.agents({ service: 'echo', limit: 1 })).toEqual([agentEcho]);
    expect(await client.agent(echo)).toEqual(agentEcho);
    expect(await client.actors()).toMatchObject([{ path: '/node' }]);
    expect(await client.metrics()).toMatchObject([{ name: 'caxton_x_total', value: 2 }]);
    expect(await client.auditRecords({ limit: 3 })).toHaveLength(1);
    expect(lab.control.calls.at(-1)).toMatchObject({ argument: { limit: 3 } });
    expect(await client.auditVerification()).toMatchObject({ valid: true, records: 9 });
  });

  it('sends, deploys, removes and stops', async () => {
    expect((await client.send(request)).reply?.content).toBe('hello');
    expect(await client.send({ ...request, timeoutMs: 0 })).toEqual({ messageId: 'm-1' });
    expect(await client.deploy({ manifest: 'm', capability: '' })).toEqual(agentEcho);
    await client.remove(echo);
    expect(lab.control.calls.at(-1)).toMatchObject({ name: 'remove', argument: echo });
    await client.shutdown();
    expect(lab.control.calls.at(-1)).toMatchObject({ name: 'shutdown' });
  });

  it('carries text of every script unchanged', async () => {
    const content = 'naïve 漢字 🜂\u0000\n"quoted"';
    expect((await client.send({ ...request, content })).reply?.content).toBe(content);
  });

  it('goes on to IPv6 and to names that the certificate has', async () => {
    const named = createClient({
      address: `https://localhost:${lab.address.port}`,
      caPem: ca.certPem,
      apiKey: lab.key,
    });
    expect(await named.live()).toEqual({ live: true });
    named.close();
  });
});

describe('the client’s errors', () => {
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });
  const clientOf = (address: string, over: Partial<Parameters<typeof createClient>[0]> = {}): Client => {
    const client = createClient({ address, caPem: ca.certPem, apiKey: 'cxk_wrong', ...over });
    closing.push(() => client.close());
    return client;
  };
  const labOf = async (...args: Parameters<typeof apiLab>): Promise<ApiLab> => {
    const lab = await apiLab(...args);
    closing.push(() => lab.api.close());
    return lab;
  };
  const portOf = async (server: Server): Promise<number> => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => server.close());
    return (server.address() as AddressInfo).port;
  };

  it('are the node’s own refusals', async () => {
    const refusal = { code: 'UNAUTHORIZED', reasons: ['No capability.', 'No policy.'], retryAfterMs: 20 } as const;
    const lab = await labOf({ over: { send: async () => ({ ok: false, refusal }) } });
    const client = clientOf(urlOf(lab.address), { apiKey: lab.key });
    await expect(client.send(request)).rejects.toMatchObject({ name: 'CaxtonError', ...refusal });
    await expect(clientOf(urlOf(lab.address)).status()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  it('name the request when the node failed', async () => {
    const lab = await labOf({
      over: {
        members: () => {
          throw new Error('bug');
        },
      },
    });
    const client = clientOf(urlOf(lab.address), { apiKey: lab.key });
    await expect(client.members()).rejects.toThrow(/Request id: [0-9a-f]{24}/);
  });

  it('tell a node that is not there', async () => {
    const lab = await labOf();
    await lab.api.close();
    await expect(clientOf(urlOf(lab.address)).live()).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('nothing listens there'),
    });
  });

  it('tell a server that is not of the cluster’s CA, or has another name, before the key is sent', async () => {
    const now = nodeClock.now();
    const stranger = issueCa(osCrypto, {
      trustDomain: 'other',
      notBefore: now - 60_000,
      notAfter: now + 400 * 86_400_000,
    });
    let sent = false;
    for (const tls of [tlsIdentity(stranger), tlsIdentity(ca, { dns: ['elsewhere.test'], ip: [] })]) {
      const port = await portOf(
        createHttpsServer({ cert: tls.certPem, key: tls.keyPem }, (_, response) => {
          sent = true;
          response.end('{}');
        }),
      );
      await expect(clientOf(urlOf({ port })).live()).rejects.toMatchObject({ code: 'CERTIFICATE_REFUSED' });
    }
    expect(sent).toBe(false);
  });

  it('tell a server without TLS 1.3, and one without TLS', async () => {
    const tls = tlsIdentity();
    const old = await portOf(createHttpsServer({ cert: tls.certPem, key: tls.keyPem, maxVersion: 'TLSv1.2' }));
    await expect(clientOf(urlOf({ port: old })).live()).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' });
    const plain = await portOf(createHttpServer((_, response) => response.end('{}')));
    await expect(clientOf(urlOf({ port: plain })).live()).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' });
  });

  it('tell an answer in time from none', async () => {
    const lab = await labOf({ over: { send: () => new Promise(() => {}) } });
    const client = clientOf(urlOf(lab.address), { apiKey: lab.key });
    await expect(client.send(request, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'TIMED_OUT' });
    const controller = new AbortController();
    const pending = client.send(request, { signal: controller.signal });
    controller.abort();
    await expect(pending).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(client.live({ signal: controller.signal })).rejects.toMatchObject({ code: 'CANCELLED' });
    // Cut, because nobody will ever answer the two.
    await expect(client.live()).resolves.toEqual({ live: true });
  });

  it.each([
    ['text', 200, 'hello', 'not JSON'],
    ['an error without a document', 502, '<html>', 'status 502'],
    ['an unknown code', 418, '{"code":"TEAPOT","reasons":["short","stout",7]}', 'TEAPOT'],
    ['a code that is no code', 400, '{"code":"constructor"}', 'constructor'],
    ['a list for a document', 400, '[]', 'status 400'],
  ])('tell %s from an answer', async (_, status, body, word) => {
    const tls = tlsIdentity();
    const port = await portOf(
      createHttpsServer({ cert: tls.certPem, key: tls.keyPem }, (_request, response) => {
        response.writeHead(status).end(body);
      }),
    );
    await expect(clientOf(urlOf({ port })).live()).rejects.toMatchObject({
      code: 'PROTOCOL_VIOLATION',
      message: expect.stringContaining(word),
    });
  });

  it.each([
    'http://127.0.0.1:1',
    'https://127.0.0.1:1/path',
    'https://user@host:1',
    'https://host:1/?q',
    '127.0.0.1:1',
    '',
  ])('refuse the address “%s”', (address) => {
    expect(() => clientOf(address)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });

  it('bear a CA file that is none', async () => {
    const lab = await labOf();
    await expect(clientOf(urlOf(lab.address), { caPem: 'nonsense' }).live()).rejects.toMatchObject({
      name: 'CaxtonError',
    });
  });

  it('do not touch other requests', async () => {
    const lab = await labOf({
      over: {
        send: async ({ content }) => (content === 'no' ? refuse('UNAUTHORIZED', 'No.') : ok({ messageId: content })),
      },
    });
    const client = clientOf(urlOf(lab.address), { apiKey: lab.key });
    const contents = Array.from({ length: 40 }, (_, at) => (at % 2 === 0 ? 'no' : `m-${at}`));
    const outcomes = await Promise.allSettled(contents.map((content) => client.send({ ...request, content })));
    expect(outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.messageId : 'no'))).toEqual(
      contents,
    );
  });
});
