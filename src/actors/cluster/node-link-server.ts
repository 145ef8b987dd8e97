import { constants, randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { WebSocketServer } from 'ws';
import { limits } from '../../limits.ts';
import type { Address, Clock, LinkListenOptions, LinkServer, TlsIdentity } from '../kernel/ports.ts';
import { listenError } from './listen-error.ts';
import { linkProtocol, tlsFacts, WebSocketChannel, webSocketOptions } from './node-link-channel.ts';

/**
 * Accepts links. Whoever connects has `linkHandshakeMsMax` to become a channel, and no more than `linkHandshakesMax`
 * may be on their way at once: silence and floods cost a socket for that long and nothing else.
 */
export async function listenForWebSocketLinks(options: LinkListenOptions, clock: Clock): Promise<LinkServer> {
  const server = createServer({
    ...secureContext(options.identity),
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: [linkProtocol],
    handshakeTimeout: limits.linkHandshakeMsMax,
    maxHeaderSize: limits.headerBytesMax,
  });
  const handshakes = guardHandshakes(server, clock);
  const origins = rememberOrigins(server);
  const upgrades = new WebSocketServer({ ...webSocketOptions, noServer: true, clientTracking: false });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    // When Node refuses the certificate itself, the reason is here and the error only says that the socket closed.
    const reason: unknown = socket.authorizationError ?? error.code ?? error.message;
    options.onRefused(origins.of(socket), String(reason));
  });
  server.on('request', (_request, response) => {
    response.writeHead(426, { connection: 'close' }).end('This port speaks to Caxton nodes only.\n');
  });
  server.on('upgrade', (request, stream, head) => {
    const socket = stream as TLSSocket;
    const facts = tlsFacts(socket, 'acceptor');
    if (typeof facts === 'string') {
      options.onRefused(origins.of(socket), facts);
      socket.destroy();
      return;
    }
    upgrades.handleUpgrade(request, socket, head, (webSocket) => {
      handshakes.done(socket);
      options.onChannel(new WebSocketChannel('acceptor', webSocket, facts, clock));
    });
  });
  const address = await listen(server, options.address);
  return {
    address,
    setIdentity: (identity) => server.setSecureContext(secureContext(identity)),
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
function secureContext(identity: TlsIdentity): SecureContextOptions {
  return {
    cert: identity.certPem,
    key: identity.keyPem,
    ca: identity.caPem,
    minVersion: 'TLSv1.3',
    // No resumption: a resumed session would skip the judgement of a certificate that was revoked or replaced since.
    secureOptions: constants.SSL_OP_NO_TICKET,
    sessionTimeout: 1,
    ticketKeys: randomBytes(48),
  };
}

function guardHandshakes(server: Server, clock: Clock) {
  const pending = new Map<string, { readonly socket: Socket; readonly timer: unknown }>();
  const end = (key: string) => {
    const known = pending.get(key);
    if (!known) return;
    pending.delete(key);
    clock.clearTimeout(known.timer);
  };
  server.on('connection', (socket: Socket) => {
    if (pending.size >= limits.linkHandshakesMax) {
      socket.destroy();
      return;
    }
    const key = keyOf(socket);
    pending.set(key, { socket, timer: clock.setTimeout(() => socket.destroy(), limits.linkHandshakeMsMax) });
    socket.once('close', () => end(key));
  });
  return {
    done: (socket: Socket) => end(keyOf(socket)),
    cutAll: () => {
      for (const { socket } of pending.values()) socket.destroy();
    },
  };
}

/**
 * Where each TLS socket comes from. Node destroys one whose certificate it refuses before it says so, and a destroyed
 * socket has forgotten its address; `keylog` is the one public event that names the socket while it lives. The key
 * material that comes with it is not looked at.
 */
function rememberOrigins(server: Server): { readonly of: (socket: TLSSocket) => Address } {
  const origins = new WeakMap<TLSSocket, Address>();
  server.on('keylog', (_line, socket: TLSSocket) => {
    if (!origins.has(socket)) origins.set(socket, remoteOf(socket));
  });
  return { of: (socket) => origins.get(socket) ?? remoteOf(socket) };
}

/** The TCP socket and the TLS socket on top of it are two objects with one remote address. */
const keyOf = (socket: Socket): string => `${socket.remoteAddress} ${socket.remotePort}`;

const remoteOf = (socket: Socket): Address => ({ host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 });

function listen(server: Server, address: Address): Promise<Address> {
  return new Promise((resolve, reject) => {
    // It stays: an accept that fails later (no file descriptors left) must not end the process.
    server.on('error', (error: NodeJS.ErrnoException) => reject(listenError(error, address, 'TCP')));
    server.listen({ host: address.host, port: address.port, exclusive: true }, () =>
      resolve({ host: address.host, port: (server.address() as AddressInfo).port }),
    );
  });
}
