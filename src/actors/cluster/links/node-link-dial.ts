import { isIPv6 } from 'node:net';
import { type ConnectionOptions, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import { isProtocolFault, tlsFinding } from '../../../crypto/certificate-reason.ts';
import { CaxtonError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { addressText } from '../../address.ts';
import type { Clock, LinkChannel, LinkDialOptions, TlsIdentity } from '../../kernel/ports.ts';
import {
  type LinkTls,
  linkProtocol,
  shownChain,
  type TlsFacts,
  tlsFacts,
  versionAndSuites,
  WebSocketChannel,
  webSocketOptions,
} from './node-link-channel.ts';

/** Codes of Node and OpenSSL that mean “not a certificate, or not a TLS, that I accept”, on either side. */
const certificateFailure =
  /^UNSPECIFIED$|PATH_LENGTH|INVALID_|CERT|_SSL_|ERR_TLS|ISSUER|SELF_SIGNED|SIGNATURE|^EPROTO$/;

/** OpenSSL’s own words, which an EPROTO has at the end of its message alone: `…:SSL routines:<function>:<words>:…`. */
const opensslWords = /:SSL routines:[^:]*:([^:]+)/;

/** One for each identity, which is another object once it has changed: reading the PEM costs an eighth of a handshake. */
const contexts = new WeakMap<
  TlsIdentity,
  { readonly settings: LinkTls | undefined; readonly context: SecureContext }
>();

function contextOf(identity: TlsIdentity, settings: LinkTls | undefined): SecureContext {
  const known = contexts.get(identity);
  if (known && known.settings === settings) return known.context;
  const { certPem, keyPem, caPem } = identity;
  const context = createSecureContext({ cert: certPem, key: keyPem, ca: caPem, ...versionAndSuites(settings) });
  contexts.set(identity, { settings, context });
  return context;
}

/**
 * Dials a link. UNREACHABLE, CERTIFICATE_REFUSED when TLS itself refused one of the two certificates, or PROTOCOL_VIOLATION
 * when who answers speaks another TLS, or none.
 */
export function dialWebSocketLink(
  options: LinkDialOptions,
  clock: Clock,
  settings: LinkTls | undefined,
): Promise<LinkChannel> {
  const { address, identity, signal } = options;
  const { promise, resolve, reject } = Promise.withResolvers<LinkChannel>();
  const sinceMs = clock.monotonic();
  const host = isIPv6(address.host) ? `[${address.host}]` : address.host;
  const tls: ConnectionOptions = {
    secureContext: contextOf(identity, settings),
    ALPNProtocols: [linkProtocol],
    // Who answers is judged by the SPIFFE ID in the certificate, not by the name or number that was dialled.
    checkServerIdentity: () => undefined,
  };
  const socket = new WebSocket(`wss://${host}:${address.port}/`, {
    ...webSocketOptions,
    handshakeTimeout: limits.linkHandshakeMsMax,
    followRedirects: false,
    // The types of ws know an older signature of checkServerIdentity; the options go to tls.connect as they are.
    ...(tls as object),
  });
  let facts: TlsFacts | string = 'TLS was not finished';
  const abort = () => socket.terminate();
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  socket.once('upgrade', (response) => {
    const secured = response.socket as TLSSocket;
    facts = tlsFacts(secured, 'dialer', shownChain(secured));
  });
  socket.once('open', () => {
    signal.removeEventListener('abort', abort);
    if (typeof facts !== 'string') resolve(new WebSocketChannel({ side: 'dialer', sinceMs, ...facts }, socket, clock));
    else {
      socket.terminate();
      reject(new CaxtonError('CERTIFICATE_REFUSED', `${addressText(address)}: ${facts}.`));
    }
  });
  socket.once('error', (error: NodeJS.ErrnoException) => {
    signal.removeEventListener('abort', abort);
    const code = error.code ?? '';
    const refused = certificateFailure.test(code);
    const words = opensslWords.exec(error.message)?.[1];
    const why = code === '' ? error.message : words === undefined ? code : `${code}, ${words}`;
    const finding = tlsFinding(code, words ?? error.message);
    const reason = `${finding ? `${finding.code}: ` : ''}${addressText(address)} cannot be linked to: ${why}.`;
    const fault = finding === undefined && code !== 'ECONNRESET' && isProtocolFault(code, words);
    const kind = refused ? (fault ? 'PROTOCOL_VIOLATION' : 'CERTIFICATE_REFUSED') : 'UNREACHABLE';
    reject(new CaxtonError(kind, reason, { cause: error }));
  });
  return promise;
}
