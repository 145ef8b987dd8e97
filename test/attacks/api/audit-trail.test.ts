import { readFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { unwrap } from '../../../src/errors.ts';
import type { AuditRecord } from '../../../src/protocols/audit/record.ts';
import { run } from '../../cli/cli-lab.ts';
import { type BootedNode, bootNode } from '../lab/boot-node.ts';
import { until } from '../lab/until.ts';

let booted: BootedNode;
beforeAll(async () => {
  booted = await bootNode();
});
afterAll(() => booted.dispose());

const records = async () => unwrap(await booted.node.control.auditTail({ limit: 1_000 })) as readonly AuditRecord[];
const failures = async () => (await records()).filter(({ type }) => type === 'LoginFailure');

/** Bytes as they are, over HTTP/1.1 with the API; resolves with all that came back. */
function raw(bytes: string, localAddress: string): Promise<string> {
  const { host, port } = booted.config.api.bind;
  return new Promise((resolve) => {
    const options = { host, port, localAddress, ca: booted.ca.certPem, ALPNProtocols: ['http/1.1'] };
    const socket = connectTls(options as Parameters<typeof connectTls>[0] & object, () =>
      socket.write(bytes, 'latin1'),
    );
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.once('close', () => resolve(text));
  });
}

const statusOf = (headers: Record<string, string>, localAddress: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const { host, port } = booted.config.api.bind;
    const request = httpsRequest(
      { host, port, localAddress, path: '/api/v1/status', headers, ca: booted.ca.certPem, agent: false },
      (response) => {
        response.resume().once('end', () => resolve(response.statusCode ?? 0));
      },
    );
    request.on('error', reject).end();
  });

describe('what a stranger sends to the API', () => {
  it('cannot forge a line of the audit log, nor what a terminal shows of it', async () => {
    const forged = '\u001b[2J{"seq":1,"type":"LoginSuccess"}';
    const asked = ['authorization: Bearer', 'x-request-id:', 'x-forwarded-for:', 'user-agent:', 'host:'];
    for (const header of asked)
      await raw(
        `GET /api/v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${header} ${forged}\r\n\r\n`,
        '127.0.8.1',
      );
    await raw(
      `GET /api/v1/status?x=\u001b[31m HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer a\r\n b: c\r\n\r\n`,
      '127.0.8.1',
    );
    await statusOf(
      { authorization: 'Bearer nobody', 'x-forwarded-for': '10.0.0.1', forwarded: 'for=10.0.0.1' },
      '127.0.8.1',
    );
    await until('a failure is recorded', async () => (await failures()).length > 0);
    for (const record of await failures()) {
      expect(record).toMatchObject({ identity: 'anonymous', sourceIp: '127.0.8.1', outcome: 'refused' });
      expect(JSON.stringify(record)).not.toMatch(/LoginSuccess|10\.0\.0\.1|u001b|nobody/);
    }
    const { code, out } = await run(['audit', 'tail', '--node', 'target', '--limit', '1000'], {
      env: { CAXTON_PROFILE: booted.layout.profile },
      outIsTerminal: false,
    });
    expect(code).toBe(0);
    expect(out.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });

  it('leaves no secret and no word of a message in the log: neither what was right nor what was wrong', async () => {
    const key = readFileSync(booted.layout.apiKey, 'utf8').trim();
    const canary = 'canary-7f3a';
    const almost = `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`;
    const { host, port } = booted.config.api.bind;
    const post = (path: string, authorization: string, body: unknown) =>
      new Promise<number>((resolve, reject) => {
        const headers = { authorization, 'content-type': 'application/json' };
        const options = { host, port, localAddress: '127.0.8.3', path, method: 'POST', headers, ca: booted.ca.certPem };
        const request = httpsRequest({ ...options, agent: false }, (response) => {
          response.resume().once('end', () => resolve(response.statusCode ?? 0));
        });
        request.on('error', reject).end(JSON.stringify(body));
      });
    const confidant = await booted.node.deploy(
      'default/confidant',
      (heard, agent) => {
        // As a parser that quotes what it could not read.
        if (heard.performative === 'inform') throw new Error(`Unexpected token: ${heard.content}`);
        agent.reply(heard, { performative: 'inform', content: heard.content });
      },
      { policy: { allowedSenders: ['*'], permittedOperations: [{ performatives: ['request', 'inform'] }] } },
    );
    confidant.tell({ performative: 'inform', content: canary });
    expect((await confidant.ask({ performative: 'request', content: canary })).content).toBe(canary);
    await expect(confidant.ask({ performative: 'query-ref', content: canary })).rejects.toThrow();
    const message = { to: 'default/confidant', performative: 'request', content: `psst: ${canary}`, timeoutMs: 5_000 };
    expect(await post('/api/v1/messages', `Bearer ${key}`, message)).toBe(404);
    expect(await post(`/api/v1/messages?token=${canary}`, `Bearer ${almost}`, message)).toBe(401);
    expect(await post('/api/v1/messages', `Basic ${canary}`, message)).toBe(401);
    expect(await post('/api/v1/agents', `Bearer ${key}`, { manifest: canary, capability: canary })).toBe(422);
    const from = (type: string) => async () =>
      (await records()).some((record) => record.type === type && record.sourceIp === '127.0.8.3');
    for (const type of ['LoginSuccess', 'LoginFailure']) await until(`${type} is recorded`, from(type));
    for (const type of ['AccessGranted', 'AccessDenied', 'SupervisionEvent'])
      await until(`${type} is recorded`, async () => (await records()).some((record) => record.type === type));
    const secrets = [key, almost, canary, ...key.split('_').filter((part) => part.length > 8)];
    const all = JSON.stringify(await records());
    for (const secret of secrets) expect(all).not.toContain(secret);
  });

  it('is counted after the first few, however many guesses come, and leaves the chain whole', async () => {
    const before = (await failures()).length;
    for (let round = 0; round < 10; round++)
      await Promise.all(Array.from({ length: 20 }, (_, i) => statusOf({ authorization: `Bearer ${i}` }, '127.0.8.2')));
    const full = (await failures()).filter(({ sourceIp }) => sourceIp === '127.0.8.2');
    expect(full.length).toBeLessThanOrEqual(24);
    expect((await failures()).length - before).toBe(full.length);
    expect(unwrap(await booted.node.control.auditVerify())).toMatchObject({ valid: true });
    const key = readFileSync(booted.layout.apiKey, 'utf8').trim();
    expect(await statusOf({ authorization: `Bearer ${key}` }, '127.0.8.2')).toBe(200);
    await booted.serves();
  });
});
