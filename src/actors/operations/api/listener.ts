import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import type { TlsSettings } from '../../../config/tls.ts';
import type { Crypto } from '../../../crypto/port.ts';
import { CaxtonError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { Address, Clock, TlsIdentity } from '../../kernel/ports.ts';
import { listenError } from '../../listen-error.ts';
import type { HttpHandler } from './server.ts';
import { rateSource } from './source.ts';

const ticketKeyBytes = 48;

/** What the API shows, and how it speaks; without the latter as Node does with TLS 1.3. */
export interface ListenerTls extends TlsIdentity {
  readonly speaks?: TlsSettings | undefined;
}

/**
 * The TLS half of the API’s listener. Complete each time, because replacing a secure context replaces everything, the
 * least version included; with new ticket keys, so that no session outlives the certificate that began it.
 */
const secureContext = (tls: ListenerTls, crypto: Crypto): SecureContextOptions & { ticketKeys: Buffer } => ({
  cert: tls.certPem,
  key: tls.keyPem,
  ca: tls.caPem,
  minVersion: tls.speaks?.minVersion ?? 'TLSv1.3',
  ...(tls.speaks && { ciphers: tls.speaks.ciphers, ecdhCurve: tls.speaks.groups }),
  ticketKeys: Buffer.from(crypto.randomBytes(ticketKeyBytes)),
});

/** HTTP/2 by ALPN with HTTP/1.1 beside it, over TLS, every wait and size bounded. CONFIG_INVALID for unusable PEM. */
export function createListener(tls: ListenerTls, crypto: Crypto, handler: HttpHandler): Http2SecureServer {
  try {
    const server = createSecureServer(
      {
        ...secureContext(tls, crypto),
        allowHTTP1: true,
        handshakeTimeout: limits.apiHandshakeMsMax,
        settings: { maxConcurrentStreams: limits.apiStreamsMax, maxHeaderListSize: limits.apiHeaderBytesMax },
        // HTTP/1.1’s own bounds; the HTTP/2 server reads them from here for the connections that chose it.
        ...{
          maxHeaderSize: limits.apiHeaderBytesMax,
          headersTimeout: limits.apiHeaderMsMax,
          requestTimeout: limits.apiRequestMsMax,
          connectionsCheckingInterval: 1_000,
        },
      },
      handler,
    );
    // Which one goes past the limit is decided in `trackConnections`; what is cut is only gone a little later.
    server.maxConnections = 2 * limits.apiConnectionsMax;
    // An HTTP/2 connection on which nothing moves ends once its last request is answered.
    server.on('session', (session) => session.setTimeout(limits.apiRequestMsMax, () => session.close()));
    return server;
  } catch (error) {
    throw unusable(error);
  }
}

/** Throws CONFIG_INVALID when certificate and key cannot be read or do not belong together. */
export function checkTls(tls: ListenerTls, crypto: Crypto): void {
  try {
    createSecureContext(secureContext(tls, crypto));
  } catch (error) {
    throw unusable(error);
  }
}

/** New connections get this identity; those that live keep theirs. CONFIG_INVALID for unusable PEM. */
export function replaceTls(server: Http2SecureServer, tls: ListenerTls, crypto: Crypto): void {
  checkTls(tls, crypto);
  server.setSecureContext(secureContext(tls, crypto));
}

/** Resolves with the bound address. ADDRESS_IN_USE, or CONFIG_INVALID when the address cannot be bound at all. */
export function startListening(server: Http2SecureServer, bind: Address): Promise<Address> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => reject(listenError(error, bind, 'TCP, the API'));
    server.once('error', onError);
    server.listen({ host: bind.host, port: bind.port, exclusive: true }, () => {
      server.off('error', onError);
      resolve({ host: bind.host, port: (server.address() as AddressInfo).port });
    });
  });
}

/** The connections of a server, each with the number of requests under way in it. */
export interface Connections {
  /** Ends those without a request now, and the others as soon as their last one is answered. */
  drain(): void;
  /** Ends all, whatever is under way. */
  cut(): void;
}

interface Connection {
  /** As the rate limit counts sources. */
  readonly source: string;
  /** The bare socket until the handshake is done, then the TLS socket. */
  socket: Socket;
  requests: number;
}

/**
 * Watches a server’s connections, and cuts one past `limits.apiConnectionsMax`: else whoever holds that many and says
 * nothing keeps the operator out, without a key. Node’s own way to close idle ones takes
 * a connection that never sent a request for a busy one, and would wait for it.
 */
export function trackConnections(server: Http2SecureServer): Connections {
  // By the client’s address and port: HTTP/2 shows a proxy of the socket and not the socket.
  const connections = new Map<string, Connection>();
  let draining = false;
  const watch = (socket: Socket, key: string, connection: Connection) => {
    socket.once('close', () => {
      if (connections.get(key) === connection) connections.delete(key);
    });
  };
  server.on('connection', (socket: Socket) => {
    const connection = { source: rateSource(socket.remoteAddress ?? ''), socket, requests: 0 };
    connections.set(remoteOf(socket), connection);
    watch(socket, remoteOf(socket), connection);
    if (connections.size > limits.apiConnectionsMax) cutOne(connections, remoteOf(socket));
  });
  server.on('secureConnection', (socket) => {
    const connection = connections.get(remoteOf(socket));
    if (!connection) return;
    connection.socket = socket;
    watch(socket, remoteOf(socket), connection);
  });
  server.on('request', (request, response) => {
    const connection = connections.get(remoteOf(request.stream?.session?.socket ?? request.socket));
    if (!connection) return;
    connection.requests += 1;
    response.once('close', () => {
      connection.requests -= 1;
      if (draining && connection.requests === 0) connection.socket.destroySoon();
    });
  });
  return {
    drain: () => {
      draining = true;
      for (const { socket, requests } of connections.values()) if (requests === 0) socket.destroySoon();
    },
    cut: () => {
      for (const { socket } of connections.values()) socket.destroy();
    },
  };
}

/** The oldest idle one of the source that has most of those; the newcomer itself when all are busy. */
function cutOne(connections: Map<string, Connection>, newcomer: string): void {
  const idle = new Map<string, { readonly oldest: string; count: number }>();
  for (const [key, { source, requests }] of connections) {
    if (requests > 0) continue;
    const held = idle.get(source);
    if (held) held.count += 1;
    else idle.set(source, { oldest: key, count: 1 });
  }
  const [most] = [...idle.values()].sort((a, b) => b.count - a.count);
  const key = most?.oldest ?? newcomer;
  connections.get(key)?.socket.destroy();
  // Not again when the next one comes before the end of this one has been noticed.
  connections.delete(key);
}

const remoteOf = (socket: Pick<Socket, 'remoteAddress' | 'remotePort'>): string =>
  `${socket.remoteAddress} ${socket.remotePort}`;

/** Lets requests under way finish within `limits.apiDrainMsMax`, then cuts what is left. */
export function stopListening(server: Http2SecureServer, connections: Connections, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    if (!server.listening) {
      resolve();
      return;
    }
    const timer = clock.setTimeout(() => connections.cut(), limits.apiDrainMsMax);
    server.close(() => {
      clock.clearTimeout(timer);
      resolve();
    });
    connections.drain();
  });
}

const unusable = (error: unknown): CaxtonError =>
  new CaxtonError('CONFIG_INVALID', `The API’s certificate or key cannot be used: ${(error as Error).message}.`, {
    cause: error,
  });
