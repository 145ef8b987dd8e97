import { duplexPair } from 'node:stream';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { type CertificateFinding, tlsFinding } from '../../../crypto/certificate-reason.ts';
import { copyPath, type PathMaterial } from '../../../crypto/chain-copy.ts';
import type { Crypto } from '../../../crypto/port.ts';

const unnamed = (text: string): CertificateFinding => ({ code: 'PATH_REFUSED', text });

/**
 * Validates a path as the TLS library of this process does on a link, in both directions: chain building, signatures,
 * times, CA flags, path lengths, name constraints, purposes and, when lists are given, revocation of every certificate of
 * the path. It is a real mutual TLS 1.3 handshake, in memory, with a copy of the path (`copyPath`).
 *
 * @param shiftMs what to add to every time in it, so that the machine’s “now” stands for another moment.
 * @returns what TLS stopped at; undefined when it accepts the path.
 */
export async function validatePath(
  crypto: Crypto,
  material: PathMaterial,
  shiftMs: number,
): Promise<CertificateFinding | undefined> {
  try {
    return await handshake(crypto, material, shiftMs);
  } catch (error) {
    // Fails closed: what cannot be shown to TLS is not accepted by it.
    return unnamed(`TLS cannot read the path: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

async function handshake(
  crypto: Crypto,
  material: PathMaterial,
  shiftMs: number,
): Promise<CertificateFinding | undefined> {
  const { chainPem, keyPem, anchorsPem, crlPems } = copyPath(crypto, material, shiftMs);
  const identity = { cert: chainPem, key: keyPem, ca: anchorsPem, minVersion: 'TLSv1.3' as const };
  const options = crlPems.length === 0 ? identity : { ...identity, crl: [...crlPems] };
  const { promise, resolve } = Promise.withResolvers<CertificateFinding | undefined>();
  const server = createServer({ ...options, requestCert: true, rejectUnauthorized: false });
  const [near, far] = duplexPair();
  let dialer: TLSSocket | undefined;
  try {
    // The dialer’s verdict comes first, with OpenSSL’s words; the acceptor’s only says the code.
    server.once('secureConnection', (socket: TLSSocket) => {
      socket.on('error', () => {});
      socket.resume();
      const code = socket.authorized ? undefined : String(socket.authorizationError);
      dialerAccepts.then((accepts) => {
        if (accepts) resolve(code === undefined ? undefined : named(code, ''));
      });
    });
    server.once('tlsClientError', (error: NodeJS.ErrnoException) => resolve(named(error.code ?? '', error.message)));
    server.emit('connection', far);
    dialer = connect({ ...options, socket: near, checkServerIdentity: () => undefined });
    const verdict = Promise.withResolvers<boolean>();
    const dialerAccepts = verdict.promise;
    dialer.once('secureConnect', () => verdict.resolve(true));
    dialer.once('error', (error: NodeJS.ErrnoException) => {
      verdict.resolve(false);
      resolve(named(error.code ?? '', error.message));
    });
    dialer.once('close', () => resolve(unnamed('TLS ended without a verdict.')));
    return await promise;
  } finally {
    dialer?.destroy();
    near.destroy();
    far.destroy();
    server.close();
  }
}

const named = (code: string, words: string): CertificateFinding =>
  tlsFinding(code, words, 'the path') ?? unnamed(`TLS refused the path: ${code}${words === '' ? '' : ` (${words})`}.`);
