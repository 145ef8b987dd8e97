import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { nodeClock } from '../../../../src/actors/kernel/node-clock.ts';
import { SyslogSink, type SyslogSinkOptions } from '../../../../src/actors/operations/siem/syslog-sink.ts';
import { issueNodeCertificate } from '../../../../src/crypto/certificate.ts';
import { privateKeyToPem } from '../../../../src/crypto/keys.ts';
import { osCrypto } from '../../../../src/crypto/port.ts';
import { unwrap } from '../../../../src/errors.ts';
import type { NodeId, TrustDomain } from '../../../../src/names.ts';
import type { AuditRecord } from '../../../../src/protocols/audit/record.ts';
import { denial } from '../../../protocols/siem/records.ts';
import { ca, tlsIdentity } from '../api/api-lab.ts';
import { until } from '../audit/audit-lab.ts';

const never = new AbortController().signal;

/** What a node shows to a receiver; a server’s certificate is none. */
function clientIdentity(): { readonly certPem: string; readonly keyPem: string } {
  const { publicKey, privateKey } = osCrypto.generateKeyPair('p256');
  const now = nodeClock.now();
  const period = { notBefore: now - 60_000, notAfter: now + 3_600_000 };
  const who = { nodeId: 'node-1' as NodeId, trustDomain: 'test.caxton' as TrustDomain, dns: [], ip: [] };
  const certPem = unwrap(issueNodeCertificate(osCrypto, { ca, publicKey, ...who, ...period }));
  return { certPem, keyPem: privateKeyToPem(privateKey) };
}

const identity = tlsIdentity();
const records = (from: number, to: number): AuditRecord[] =>
  Array.from({ length: to - from + 1 }, (_, index) => ({ ...denial, seq: from + index }));

interface Receiver {
  readonly server: Server;
  readonly port: number;
  /** The messages of each connection that ended in order. */
  readonly whole: string[][];
  readonly sockets: TLSSocket[];
  /** The connections under them. */
  readonly connections: Socket[];
}

const open: Receiver[] = [];
const sinks: SyslogSink[] = [];
afterEach(async () => {
  for (const sink of sinks.splice(0)) sink.cut();
  for (const { server, connections } of open.splice(0)) {
    for (const connection of connections) connection.destroy();
    server.close();
    await once(server, 'close');
  }
});

async function receiver(
  over: { readonly onSocket?: (socket: TLSSocket) => void; readonly mutual?: boolean } = {},
): Promise<Receiver> {
  const whole: string[][] = [];
  const sockets: TLSSocket[] = [];
  const options = {
    cert: identity.certPem,
    key: identity.keyPem,
    ca: ca.certPem,
    requestCert: over.mutual === true,
    rejectUnauthorized: over.mutual === true,
  };
  const server = createServer(options, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    if (over.onSocket) return over.onSocket(socket);
    let bytes = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
    });
    socket.on('end', () => whole.push(messagesOf(bytes)));
  });
  const connections: Socket[] = [];
  server.on('connection', (connection: Socket) => void connections.push(connection));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const made = { server, port: (server.address() as AddressInfo).port, whole, sockets, connections };
  open.push(made);
  return made;
}

/** RFC 5425, 4.3: MSG-LEN SP SYSLOG-MSG. */
function messagesOf(bytes: Buffer): string[] {
  const messages: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at);
    const length = Number(bytes.subarray(at, space).toString());
    messages.push(bytes.subarray(space + 1, space + 1 + length).toString());
    at = space + 1 + length;
  }
  return messages;
}

function sink(port: number, over: Partial<SyslogSinkOptions> = {}): SyslogSink {
  const made = new SyslogSink({
    address: { host: '127.0.0.1', port },
    tls: { caPem: ca.certPem },
    messageOf: ({ seq }) => `ünï ${seq}`,
    checkpointMessageOf: ({ size }) => `checkpoint ${size}`,
    ...over,
  });
  sinks.push(made);
  return made;
}

describe('a syslog receiver', () => {
  it('gets messages in order behind their lengths in bytes, and confirms by ending', async () => {
    const { port, whole } = await receiver();
    const to = sink(port);
    await to.send(records(1, 2), never);
    await to.send(records(3, 3), never);
    await to.confirm(never);
    await to.send(records(4, 4), never);
    await to.confirm(never);
    expect(whole).toEqual([['ünï 1', 'ünï 2', 'ünï 3'], ['ünï 4']]);
  });

  it('that ends by itself fails the next send and what was not confirmed', async () => {
    const { port, sockets } = await receiver();
    const to = sink(port);
    await to.send(records(1, 1), never);
    await until('it has the connection', () => sockets.length === 1);
    sockets[0]?.end();
    await until('the sink has heard of its end', () => sockets[0]?.destroyed === true);
    await expect(to.confirm(never)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    to.cut();
    await to.send(records(1, 1), never);
    await to.confirm(never);
  });

  it('that talks without end is no receiver', async () => {
    const { port, sockets } = await receiver({
      onSocket: (socket) => {
        const more = () => {
          while (!socket.destroyed && socket.write('x'.repeat(65_536)));
          if (!socket.destroyed) socket.once('drain', more);
        };
        more();
      },
    });
    const to = sink(port);
    await to.send(records(1, 1), never).catch(() => {});
    await until('its connection is cut', () => sockets[0]?.destroyed === true);
    await expect(to.confirm(never)).rejects.toThrow(/says more than a receiver has to say/);
  });

  it('that is killed with bytes unread confirms nothing', async () => {
    const { port, sockets, connections } = await receiver({ onSocket: (socket) => void socket.pause() });
    const to = sink(port);
    await to.send(records(1, 100), never);
    const confirmed = to.confirm(never);
    await until('it has the connection', () => sockets.length === 1);
    connections[0]?.resetAndDestroy();
    await expect(confirmed).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });

  it('that is not there is said so', async () => {
    const { port, server } = await receiver();
    server.close();
    await once(server, 'close');
    open.pop();
    await expect(sink(port).send(records(1, 1), never)).rejects.toThrow(
      /syslog receiver 127\.0\.0\.1:\d+: .*ECONNREFUSED/,
    );
  });

  it('of another CA, or another name, gets nothing', async () => {
    const { port, sockets } = await receiver();
    await expect(sink(port, { tls: {} }).send(records(1, 1), never)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    await expect(sink(port, { serverName: 'other.example' }).send(records(1, 1), never)).rejects.toThrow(
      /other\.example/,
    );
    expect(sockets).toEqual([]);
  });

  it('that asks for a certificate gets ours', async () => {
    const { port, whole } = await receiver({ mutual: true });
    const to = sink(port, { tls: { caPem: ca.certPem, own: clientIdentity() } });
    await to.send(records(1, 1), never);
    await to.confirm(never);
    expect(whole).toEqual([['ünï 1']]);
    const without = sink(port);
    // TLS 1.3 lets a client speak before it is told that it is refused.
    const wrong = sink(port, { tls: { caPem: ca.certPem, own: identity } });
    await expect(wrong.send(records(1, 1), never).then(() => wrong.confirm(never))).rejects.toMatchObject({
      code: 'UNREACHABLE',
    });
    await expect(without.send(records(1, 1), never).then(() => without.confirm(never))).rejects.toMatchObject({
      code: 'UNREACHABLE',
    });
  });

  it('that never answers is given up when nobody waits any more', async () => {
    const { port } = await receiver({ onSocket: (socket) => void socket.pause() });
    const to = sink(port);
    await to.send(records(1, 1), never);
    const stop = new AbortController();
    const confirmed = to.confirm(stop.signal);
    stop.abort(new Error('stopped'));
    await expect(confirmed).rejects.toThrow('stopped');
  });
});
