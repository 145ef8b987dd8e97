import { connect as connectHttp2, constants } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { type ApiLab, apiLab, ca } from '../../actors/operations/api/api-lab.ts';

let lab: ApiLab;
beforeEach(async () => {
  lab = await apiLab();
});
afterEach(() => lab.api.close());

/** Bare HTTP/2: the client of node:http2 would not misbehave. */
async function http2Socket(): Promise<{ readonly socket: TLSSocket; readonly closed: Promise<void> }> {
  const socket = connectTls({ ...lab.address, ca: ca.certPem, ALPNProtocols: ['h2'] });
  socket.on('error', () => {}).resume();
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await new Promise<void>((resolve) => socket.once('secureConnect', () => resolve()));
  socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0, Buffer.alloc(0))]));
  return { socket, closed };
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK without an index: `name: value`. */
const literal = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
const requestHead = Buffer.concat([
  Buffer.from([0x82, 0x87]),
  literal(':path', '/api/v1/status'),
  literal(':authority', 'x'),
]);

const serves = async (): Promise<void> => {
  const began = performance.now();
  expect((await lab.get('/api/v1/status')).status).toBe(200);
  expect(performance.now() - began).toBeLessThan(2_000);
};

describe('over HTTP/2', () => {
  it('whoever opens requests and resets them at once is cut', async () => {
    const { socket, closed } = await http2Socket();
    const reset = Buffer.from([0, 0, 0, constants.NGHTTP2_CANCEL]);
    for (let round = 0; round < 40 && !socket.destroyed; round++) {
      const burst: Buffer[] = [];
      for (let i = 0; i < 250; i++) {
        const id = 1 + 2 * (round * 250 + i);
        burst.push(frame(1, 5, id, requestHead), frame(3, 0, id, reset));
      }
      await new Promise<void>((resolve) => socket.write(Buffer.concat(burst), () => resolve()));
    }
    await closed;
    await serves();
    expect(lab.bugs).toEqual([]);
  });

  it('a header that goes on and on in CONTINUATION frames is cut', async () => {
    const { socket, closed } = await http2Socket();
    socket.write(frame(1, 1, 1, requestHead));
    for (let i = 0; i < 64; i++) socket.write(frame(9, 0, 1, literal('x', 'y'.repeat(100))));
    await closed;
    await serves();
  });

  it('a ping that is sent without end, a setting that changes without end, and a window of nothing are survived', async () => {
    const { socket } = await http2Socket();
    const ping = frame(6, 0, 0, Buffer.alloc(8));
    const setting = frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0]));
    socket.write(Buffer.concat(Array.from({ length: 20_000 }, (_, i) => (i % 2 === 0 ? ping : setting))));
    await serves();
    socket.destroy();
  });

  it('no more than so many requests of one connection are under way', async () => {
    const session = connectHttp2(`https://127.0.0.1:${lab.address.port}`, { ca: ca.certPem });
    session.on('error', () => {});
    await new Promise<void>((resolve) => session.once('remoteSettings', () => resolve()));
    expect(session.remoteSettings.maxConcurrentStreams).toBe(limits.apiStreamsMax);
    session.destroy();
  });
});

describe('bodies that are hard to read', () => {
  const json = { 'content-type': 'application/json' };
  const deep = '['.repeat(limits.apiBodyBytesMax / 2);
  const keys = Array.from({ length: 60_000 }, (_, i) => `"k${i}":1`).join();
  it.each([
    ['deeply nested', deep + ']'.repeat(deep.length)],
    ['nested and cut off', deep],
    ['of sixty thousand unknown keys', `{${keys}}`],
    ['with a prototype', '{"__proto__":{"to":"default/echo"},"to":"default/echo"}'],
    ['with a prototype, written in escapes', '{"\\u005f_proto__":{"to":"default/echo"}}'],
    ['with a constructor', '{"constructor":{"prototype":{"to":1}}}'],
    ['of numbers that are none', `{"timeoutMs":1e999,"to":"default/echo"}`],
    ['of one long text', JSON.stringify('\u0000'.repeat(200_000))],
  ])('%s are refused in a problem of bounded size, and nobody waits', async (_, body) => {
    const answer = await lab.ask('POST', '/api/v1/messages', { headers: json, body });
    expect([answer.status, answer.json.code]).toEqual([400, 'MALFORMED']);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(answer.text.length).toBeLessThan(10_000);
    expect(answer.text).not.toMatch(/\bat .*\.(ts|js):\d/);
    expect(lab.control.calls).toEqual([]);
    expect(({} as Record<string, unknown>).to).toBeUndefined();
    await serves();
    expect(lab.bugs).toEqual([]);
  });
});

describe('a credential', () => {
  const refused = [401, 'UNAUTHENTICATED'];
  it.each([
    ['none', { authorization: '' }, ''],
    ['of nobody', { authorization: `Bearer cxk_${'A'.repeat(43)}` }, ''],
    ['in the query', { authorization: '' }, `?key=`],
    ['in a header of its own', { authorization: '', 'x-api-key': 'KEY' }, ''],
    ['in a cookie', { authorization: '', cookie: 'authorization=Bearer KEY' }, ''],
    ['in another scheme', { authorization: 'Basic KEY' }, ''],
    ['with more behind it', { authorization: 'Bearer KEY KEY' }, ''],
    ['with a byte more', { authorization: 'Bearer KEYx' }, ''],
    ['of thousands of bytes', { authorization: `Bearer ${'x'.repeat(8_000)}` }, ''],
  ])('%s opens nothing, and the refusal does not tell why', async (_, headers, query) => {
    const given = Object.fromEntries(
      Object.entries(headers).map(([name, text]) => [name, text.replace('KEY', lab.key)]),
    );
    const path = `/api/v1/status${query && query + lab.key}`;
    const answer = await lab.ask('GET', path, { headers: given as Record<string, string> });
    expect([answer.status, answer.json.code]).toEqual(refused);
    expect(answer.json.detail).toBe('No valid API key was given.');
    expect(answer.text).not.toContain(lab.key);
    expect(JSON.stringify(lab.control.audited)).not.toContain(lab.key.slice(0, 16));
  });

  it.each([
    '/api/v1/../../etc/passwd',
    '/api/v1/%2e%2e/%2e%2e/etc/passwd',
    '//etc/passwd',
    '/api/v1/status/',
    '/API/V1/STATUS',
    '/api/v1/status%00',
    '/api/v1/status;x=1',
    '/api/v1//status',
  ])('is asked for, or nothing is there: %s', async (path) => {
    const answer = await lab.ask('GET', path, { headers: { authorization: '' } });
    expect([401, 404, 400]).toContain(answer.status);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
  });
});
