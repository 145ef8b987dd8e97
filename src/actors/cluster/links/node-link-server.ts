import { constants, randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { WebSocketServer } from 'ws';
import { limits } from '../../../limits.ts';
import type { Address, Clock, LinkListenOptions, LinkServer, TlsIdentity } from '../../kernel/ports.ts';
import { listenError } from '../../listen-error.ts';
import { HandshakeGuard, remoteOf } from './handshake-guard.ts';
import {
  type LinkTls,
  linkProtocol,
  shownChain,
  tlsFacts,
  versionAndSuites,
  WebSocketChannel,
  webSocketOptions,
} from './node-link-channel.ts';

/**
 * Accepts links. Whoever connects has `linkHandshakeMsMax` to become one, and no more than `linkHandshakesMax` may be
 * on their way at once (`HandshakeGuard`): silence and floods cost a socket for that long and nothing else.
 */
export async function listenForWebSocketLinks(
  options: LinkListenOptions,
  clock: Clock,
  tls: LinkTls | undefined,
): Promise<LinkServer> {
  const server = createServer({
    ...secureContext(options.identity, tls),
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: [linkProtocol],
    // Later than the guard’s deadline: Node’s own, at the same moment, would say neither why nor whose socket it was.
    handshakeTimeout: 2 * limits.linkHandshakeMsMax,
    maxHeaderSize: limits.headerBytesMax,
  });
  const handshakes = new HandshakeGuard({ clock, onRefused: options.onRefused });
  server.on('connection', (socket: Socket) => handshakes.admit(socket));
  const origins = rememberPeers(server);
  const upgrades = new WebSocketServer({ ...webSocketOptions, noServer: true, clientTracking: false });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    // When Node refuses the certificate itself, the reason is here and the error only says that the socket closed.
    const reason: unknown = socket.authorizationError ?? error.code ?? error.message;
    const origin = origins.of(socket);
    // One whose origin nobody knows any more is told of by the guard, which does.
    if (origin.host === '') return;
    handshakes.told(origin);
    options.onRefused(origin, String(reason), origins.shownBy(socket));
  });
  server.on('request', (_request, response) => {
    response.writeHead(426, { connection: 'close' }).end('This port speaks to Caxton nodes only.\n');
  });
  server.on('upgrade', (request, stream, head) => {
    const socket = stream as TLSSocket;
    const facts = tlsFacts(socket, 'acceptor', origins.shownBy(socket));
    if (typeof facts === 'string') {
      handshakes.told(origins.of(socket));
      options.onRefused(origins.of(socket), facts);
      socket.destroy();
      return;
    }
    upgrades.handleUpgrade(request, socket, head, (webSocket) => {
      const sinceMs = handshakes.done(origins.of(socket));
      options.onChannel(new WebSocketChannel({ side: 'acceptor', sinceMs, ...facts }, webSocket, clock));
    });
  });
  const address = await listen(server, options.address);
  return {
    address,
    setIdentity: (identity) => server.setSecureContext(secureContext(identity, tls)),
    close: () =>
      new Promise((resolve) => {
        handshakes.cutAll();
        // Its callback would wait for the last channel, and channels go on; the port is free in the next turn.
        server.close();
        // Channels are no requests any more; whatever still is one ends here.
        server.closeAllConnections();
        setImmediate(resolve);
      }),
  };
}

/** All of it every time: `setSecureContext` replaces everything, and what is left out falls back to Node’s defaults. */
function secureContext(identity: TlsIdentity, tls: LinkTls | undefined): SecureContextOptions {
  return {
    cert: identity.certPem,
    key: identity.keyPem,
    ca: identity.caPem,
    ...versionAndSuites(tls),
    // No resumption: a resumed session would skip the judgement of a certificate that was revoked or replaced since.
    secureOptions: constants.SSL_OP_NO_TICKET,
    sessionTimeout: 1,
    ticketKeys: randomBytes(48),
  };
}

/** What is known of a TLS socket that Node has destroyed already. */
interface Peers {
  readonly of: (socket: TLSSocket) => Address;
  /** The chain that it showed, as `LinkChannel.peerCertificate`; undefined when it showed none. */
  readonly shownBy: (socket: TLSSocket) => Uint8Array | undefined;
}

/**
 * Where each TLS socket comes from, and what it showed. Node destroys one whose certificate it refuses before it says so,
 * and a destroyed socket has forgotten both; `keylog` is the one public event that names the socket while it lives. The
 * key material that comes with it is not looked at. The certificate is there for the length of “secure”, before Node’s own
 * listener looks at the verdict: it only makes the reason better, so where a later Node has no such event nothing is lost.
 */
function rememberPeers(server: Server): Peers {
  const origins = new WeakMap<TLSSocket, Address>();
  const chains = new WeakMap<TLSSocket, Uint8Array>();
  server.on('keylog', (_line, socket: TLSSocket) => {
    if (origins.has(socket)) return;
    origins.set(socket, remoteOf(socket));
    socket.prependOnceListener('secure', () => {
      const shown = shownChain(socket);
      if (shown) chains.set(socket, shown);
    });
  });
  return {
    of: (socket) => origins.get(socket) ?? remoteOf(socket),
    shownBy: (socket) => chains.get(socket) ?? (socket.destroyed ? undefined : shownChain(socket)),
  };
}

function listen(server: Server, address: Address): Promise<Address> {
  return new Promise((resolve, reject) => {
    // It stays: an accept that fails later (no file descriptors left) must not end the process.
    server.on('error', (error: NodeJS.ErrnoException) => reject(listenError(error, address, 'TCP')));
    server.listen({ host: address.host, port: address.port, exclusive: true }, () =>
      resolve({ host: address.host, port: (server.address() as AddressInfo).port }),
    );
  });
}
