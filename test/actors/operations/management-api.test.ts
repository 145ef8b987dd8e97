import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp, createServer } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { createKernel } from '../../../src/actors/kernel/create-kernel.ts';
import { createMetrics } from '../../../src/actors/kernel/metrics-registry.ts';
import { nodeClock } from '../../../src/actors/kernel/node-clock.ts';
import type { Address } from '../../../src/actors/kernel/ports.ts';
import {
  createManagementApi,
  type ManagementApi,
  managementApi,
} from '../../../src/actors/operations/management-api.ts';
import { createClient } from '../../../src/client.ts';
import { readApiKey } from '../../../src/crypto/api-key.ts';
import { osCrypto } from '../../../src/crypto/port.ts';
import { ok } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import { type ApiLab, accessOf, apiLab, ca, echo, exchange, fakeControl, tlsIdentity } from './api/api-lab.ts';

const json = { 'content-type': 'application/json' };
const message = JSON.stringify({ to: echo, performative: 'request', content: 'x', timeoutMs: 1_000 });

const labs: ApiLab[] = [];
const open = async (...args: Parameters<typeof apiLab>): Promise<ApiLab> => {
  const lab = await apiLab(...args);
  labs.push(lab);
  return lab;
};
afterEach(async () => {
  await Promise.all(labs.splice(0).map(({ api }) => api.close()));
});

const connectionRefused = (address: Address) =>
  expect(exchange(address, 'GET', '/health/live')).rejects.toMatchObject({ code: 'ECONNREFUSED' });

/** A TLS client that tells what it was offered. */
function handshake(address: Address, options: object): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: address.host, port: address.port, ca: ca.certPem, ...options }, () =>
      resolve(socket),
    );
    socket.on('error', reject);
  });
}

/** Makes one request and leaves its connection open. */
async function exchangeKeepingAlive(lab: ApiLab, protocol: string): Promise<ApiLab> {
  if (protocol === 'h2') {
    const session = connectHttp2(`https://127.0.0.1:${lab.address.port}`, { ca: ca.certPem });
    session.on('error', () => {});
    const stream = session.request({ ':path': '/health/live' });
    await new Promise<void>((resolve) => stream.resume().once('end', () => resolve()));
  } else {
    const client = createClient({
      address: `https://127.0.0.1:${lab.address.port}`,
      caPem: ca.certPem,
      apiKey: lab.key,
    });
    await client.live();
  }
  return lab;
}

describe('the API’s listener', () => {
  it('refuses TLS 1.2', async () => {
    const { address } = await open();
    await expect(handshake(address, { maxVersion: 'TLSv1.2' })).rejects.toThrow();
  });

  it('cuts a connection that talks nonsense before the handshake, and answers nonsense after it', async () => {
    const { address } = await open();
    const bare = connectTcp(address.port, address.host);
    const cut = new Promise<void>((resolve) =>
      bare
        .resume()
        .once('close', () => resolve())
        .on('error', () => {}),
    );
    bare.write('GET / HTTP/1.1\r\n\r\n');
    await cut;
    for (const [request, status] of [
      ['nonsense\r\n\r\n', '400'],
      [`GET / HTTP/1.1\r\nx: ${'y'.repeat(limits.apiHeaderBytesMax)}\r\n\r\n`, '431'],
    ]) {
      const socket = await handshake(address, { ALPNProtocols: ['http/1.1'] });
      const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      let text = '';
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
      });
      socket.write(request!);
      await ended;
      expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    }
  });

  it('shows a new certificate to new connections, still on TLS 1.3 alone', async () => {
    const { api, address } = await open();
    const serialOf = async () => {
      const socket = await handshake(address, {});
      const { serialNumber } = socket.getPeerCertificate();
      socket.destroy();
      return serialNumber;
    };
    const before = await serialOf();
    api.setTls(tlsIdentity());
    expect(await serialOf()).not.toBe(before);
    await expect(handshake(address, { maxVersion: 'TLSv1.2' })).rejects.toThrow();
  });

  it('keeps the certificate it has when the new one is unusable', async () => {
    const { api, address } = await open();
    const mixed = { ...tlsIdentity(), keyPem: tlsIdentity().keyPem };
    expect(() => api.setTls(mixed)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect((await exchange(address, 'GET', '/health/live')).status).toBe(200);
    await api.close();
    expect(() => api.setTls(mixed)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });

  it('can be started again, on the port that it had', async () => {
    const { api, address } = await open();
    await api.close();
    await connectionRefused(address);
    expect(await api.listen()).toEqual(address);
    expect((await exchange(address, 'GET', '/health/live')).status).toBe(200);
  });

  it('answers what is under way before it closes', async () => {
    let answer: () => void = () => {};
    let asked: () => void = () => {};
    const arrived = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const lab = await open({
      over: {
        send: () =>
          new Promise((resolve) => {
            answer = () => resolve(ok({ messageId: 'late' }));
            asked();
          }),
      },
    });
    const pending = lab.ask('POST', '/api/v1/messages', { headers: json, body: message });
    await arrived;
    const closed = lab.api.close();
    answer();
    expect((await pending).json).toEqual({ messageId: 'late' });
    await closed;
    await connectionRefused(lab.address);
  });

  it.each(['h2', 'http/1.1'])('keeps no connection open that has no request under way (%s)', async (protocol) => {
    const lab = await open();
    const idle = connectTcp(lab.address.port, lab.address.host);
    const secure = await handshake(lab.address, { ALPNProtocols: [protocol] });
    const gone = [idle, secure].map(
      (socket) =>
        new Promise<void>((resolve) =>
          socket
            .resume()
            .once('close', () => resolve())
            .on('error', () => {}),
        ),
    );
    const { api } = await exchangeKeepingAlive(lab, protocol);
    const began = performance.now();
    await api.close();
    await Promise.all(gone);
    expect(performance.now() - began).toBeLessThan(limits.apiDrainMsMax / 2);
  });

  it('refuses what comes over a connection that is still answering', async () => {
    let answer: () => void = () => {};
    const arrived: (() => void)[] = [];
    const lab = await open({
      over: {
        send: () =>
          new Promise((resolve) => {
            answer = () => resolve(ok({ messageId: 'late' }));
            arrived.shift()?.();
          }),
      },
    });
    const socket = await handshake(lab.address, { ALPNProtocols: ['http/1.1'] });
    let text = '';
    const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    const head = `host: x\r\nauthorization: Bearer ${lab.key}\r\n`;
    const asked = new Promise<void>((resolve) => arrived.push(resolve));
    socket.write(
      `POST /api/v1/messages HTTP/1.1\r\n${head}content-type: application/json\r\ncontent-length: ${message.length}\r\n\r\n${message}`,
    );
    await asked;
    const closed = lab.api.close();
    socket.write(`GET /api/v1/status HTTP/1.1\r\n${head}\r\n`);
    // Both requests are in before the first is answered.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    answer();
    await Promise.all([ended, closed]);
    expect(text).toContain('late');
    expect(text).not.toContain('spiffe://');
  });

  it('cuts what does not end within the drain time', async () => {
    // The drain’s timer fires at once; everything else goes by real time.
    const clock = { ...nodeClock, setTimeout: (callback: () => void) => setTimeout(callback, 0) };
    let asked: () => void = () => {};
    const arrived = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const send = () => {
      asked();
      return new Promise<never>(() => {});
    };
    const lab = await open({ clock, over: { send } });
    const pending = lab.ask('POST', '/api/v1/messages', { headers: json, body: message });
    const failed = expect(pending).rejects.toMatchObject({ code: 'ECONNRESET' });
    await arrived;
    // Nor may a connection keep the API open whose handshake never ends.
    const silent = connectTcp(lab.address.port, lab.address.host);
    await new Promise<void>((resolve) => silent.once('connect', resolve));
    const cut = new Promise<void>((resolve) => silent.once('close', () => resolve()).on('error', () => {}));
    await lab.api.close();
    await Promise.all([failed, cut]);
  });

  it('says why it cannot listen', async () => {
    const { address } = await open();
    const options = {
      control: fakeControl(),
      access: accessOf({}),
      clock: nodeClock,
      crypto: osCrypto,
      readApiKey,
      tls: tlsIdentity(),
    };
    const busy = createManagementApi({ ...options, bind: address });
    await expect(busy.listen()).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
    const elsewhere = createManagementApi({ ...options, bind: { host: '192.0.2.1', port: 0 } });
    await expect(elsewhere.listen()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    const keyless = createManagementApi({
      ...options,
      bind: { host: '127.0.0.1', port: 0 },
      tls: { ...options.tls, keyPem: 'nonsense' },
    });
    await expect(keyless.listen()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await busy.close();
  });
});

describe('the chart of the API', () => {
  const tree = (api: ManagementApi) => ({
    kind: 'supervisor' as const,
    id: 'node',
    strategy: 'one-for-one' as const,
    children: [
      {
        kind: 'worker' as const,
        id: 'management-api',
        logic: managementApi,
        input: { api },
        startedWhen: (snapshot: { matches(value: string): boolean }) => snapshot.matches('serving'),
      },
    ],
  });
  const kernelOf = () => createKernel({ clock: nodeClock, metrics: createMetrics() });
  const apiAt = (bind: Address) =>
    createManagementApi({
      control: fakeControl(),
      bind,
      tls: tlsIdentity(),
      access: accessOf({}),
      clock: nodeClock,
      crypto: osCrypto,
      readApiKey,
    });

  it('serves once it has started and is gone once it has stopped', async () => {
    const kernel = kernelOf();
    const { address, api: probe } = await open();
    await probe.close();
    await kernel.start(tree(apiAt(address)));
    expect(kernel.tree().map(({ path, state }) => [path, state])).toContainEqual(['/node/management-api', 'serving']);
    expect((await exchange(address, 'GET', '/health/live')).status).toBe(200);
    await kernel.stop();
    await connectionRefused(address);
  });

  it('does not start on a port that is taken, and its supervisor hears of it', async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    const { port } = blocker.address() as { port: number };
    const kernel = kernelOf();
    await expect(kernel.start(tree(apiAt({ host: '127.0.0.1', port })))).rejects.toThrow(/taken/);
    await kernel.stop();
    blocker.close();
  });

  it('gives the port back when it is killed and not asked', async () => {
    const kernel = kernelOf();
    const { address, api: probe } = await open();
    await probe.close();
    const spec = tree(apiAt(address));
    await kernel.start({ ...spec, children: [{ ...spec.children[0]!, shutdown: 'brutal-kill' }] });
    await kernel.stop();
    await expect
      .poll(
        () =>
          exchange(address, 'GET', '/health/live').then(
            () => 'open',
            (error) => error.code,
          ),
        { timeout: 5_000 },
      )
      .toBe('ECONNREFUSED');
  });
});
