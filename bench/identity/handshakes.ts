import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect, createSecureContext } from 'node:tls';
import { WebSocket, WebSocketServer } from 'ws';
import { LinkSession } from '../../src/actors/cluster/links/link-session.ts';
import { withoutNotices } from '../../src/actors/cluster/links/link-session-options.ts';
import { createNodeNetwork } from '../../src/actors/cluster/links/node-network.ts';
import { nodeClock } from '../../src/actors/kernel/node-clock.ts';
import type { LinkChannel, TlsIdentity } from '../../src/actors/kernel/ports.ts';
import { verifyNodeSvid } from '../../src/crypto/svid.ts';
import { unwrap } from '../../src/errors.ts';
import type { NodeId } from '../../src/names.ts';
import { linkVersions } from '../../src/protocols/link/hello.ts';
import { trustDomain } from './authority.ts';

const linkTls = ({ certPem, keyPem, caPem }: TlsIdentity) =>
  ({ cert: certPem, key: keyPem, ca: caPem, minVersion: 'TLSv1.3' }) as const;

/** Something that is connected, used once and closed, again and again. */
export interface Handshakes {
  once(): Promise<void>;
  close(): Promise<void>;
}

/** TLS, both SVIDs judged, hello and ready on both sides. Of several clients one after the other dials. */
export async function caxtonLinks(server: TlsIdentity, clients: readonly TlsIdentity[]): Promise<Handshakes> {
  let dials = 0;
  const network = createNodeNetwork({ clock: nodeClock });
  const session = (channel: LinkChannel, self: string, caPem: string, onReady: (link: LinkSession) => void) => {
    const svid = unwrap(verifyNodeSvid(channel.peerCertificate, { caPem, trustDomain, now: nodeClock.now() }));
    const own = {
      versions: linkVersions,
      nodeId: self as NodeId,
      trustDomain,
      clusterId: 'bench',
      bootEpoch: 1,
      dial: 0,
      features: [],
      addresses: [],
      group: '',
      notices: [],
    };
    new LinkSession({
      clock: nodeClock,
      channel,
      svid,
      own,
      trustDomain,
      clusterId: 'bench',
      dial: channel.side === 'dialer' ? 1 : 0,
      expected: undefined,
      notices: withoutNotices,
      admit: () => true,
      onReady,
      onFrame: () => {},
      onCongestion: () => {},
      onEnd: () => {},
    }).open();
  };
  const listening = await network.listenLinks({
    address: { host: '127.0.0.1', port: 0 },
    identity: server,
    onChannel: (channel) => session(channel, 'node-1', server.caPem, () => {}),
    onRefused: (_, reason) => {
      throw new Error(reason);
    },
  });
  return {
    async once() {
      const client = clients[dials++ % clients.length]!;
      const { signal } = new AbortController();
      const channel = await network.dialLink({ address: listening.address, identity: client, signal });
      const ready = Promise.withResolvers<LinkSession>();
      session(channel, 'node-2', client.caPem, ready.resolve);
      (await ready.promise).close('goodbye', 'done');
    },
    close: () => listening.close(),
  };
}

async function bareServer(identity: TlsIdentity): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer({ ...linkTls(identity), requestCert: true, rejectUnauthorized: true });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data as Buffer)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/**
 * A WebSocket over mutual TLS until its first echo is back: what a link stands beside. Given key and certificates each time,
 * as the documentation of ws shows it, or, as a node does, a context that was made of them once.
 */
export async function bareWebSockets(
  server: TlsIdentity,
  client: TlsIdentity,
  context: 'each time' | 'kept',
): Promise<Handshakes> {
  const { port, close } = await bareServer(server);
  const tls = context === 'kept' ? { secureContext: createSecureContext(linkTls(client)) } : linkTls(client);
  const options = { ...tls, checkServerIdentity: () => undefined } as object;
  return {
    once: () =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`wss://127.0.0.1:${port}`, { ...options, perMessageDeflate: false });
        socket.once('open', () => socket.send('hello'));
        socket.once('error', reject);
        socket.once('message', () => {
          socket.close();
          resolve();
        });
      }),
    close,
  };
}

/** Mutual TLS alone, until the client is connected. */
export async function bareTls(server: TlsIdentity, client: TlsIdentity): Promise<Handshakes> {
  const { port, close } = await bareServer(server);
  return {
    once: () =>
      new Promise((resolve, reject) => {
        const socket = connect({ port, host: '127.0.0.1', ...linkTls(client), checkServerIdentity: () => undefined });
        socket.once('error', reject);
        socket.once('secureConnect', () => {
          socket.destroy();
          resolve();
        });
      }),
    close,
  };
}
