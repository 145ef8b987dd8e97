import { isIP } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { CaxtonError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { AuditRecord } from '../../../protocols/audit/record.ts';
import { addressText } from '../../address.ts';
import type { Address } from '../../kernel/ports.ts';
import type { SiemCheckpoint, SiemSink } from './sink.ts';

/** How a receiver is known, and how this node shows itself to it; all PEM. */
export interface SinkTls {
  /** Absent: the roots that Node comes with. */
  readonly caPem?: string | undefined;
  readonly own?: { readonly certPem: string; readonly keyPem: string } | undefined;
}

/** The same in the words of node:tls; the oldest version is what RFC 5425 and today’s receivers agree on. */
export const tlsOptions = ({ caPem, own }: SinkTls): Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'minVersion'> => ({
  minVersion: 'TLSv1.2',
  ...(caPem === undefined ? {} : { ca: caPem }),
  ...(own === undefined ? {} : { cert: own.certPem, key: own.keyPem }),
});

export interface SyslogSinkOptions {
  readonly address: Address;
  /** The name in the receiver’s certificate; default the address’s host. */
  readonly serverName?: string | undefined;
  readonly tls: SinkTls;
  /** One record as one syslog message, without framing. */
  readonly messageOf: (record: AuditRecord) => string;
  readonly checkpointMessageOf: (checkpoint: SiemCheckpoint) => string;
}

/**
 * Syslog over TLS (RFC 5425): each message behind its length in bytes.
 *
 * The protocol has no acknowledgement; what the operating system took may never be read, and in TLS 1.3 a receiver that
 * refuses our certificate lets us speak first. So `confirm` lets the connection be for a moment, in which a receiver
 * that refuses or goes away ends it; then ends it in order and waits for the receiver to end its side, which it does
 * when it has read to our end, while the end of a process with unread bytes is a reset; and then dials anew, because one
 * that happened to go away at that very moment cannot be reached.
 */
export class SyslogSink implements SiemSink {
  readonly confirmsEach = false;
  readonly #options: SyslogSinkOptions;
  #socket: TLSSocket | undefined;
  /** When the last records were handed over, monotonic milliseconds. */
  #sentAt = 0;
  /** What became of the present connection. */
  #broken: Promise<never> | undefined;

  constructor(options: SyslogSinkOptions) {
    this.#options = options;
  }

  send(records: readonly AuditRecord[], signal: AbortSignal): Promise<void> {
    return this.#give(records.map(this.#options.messageOf), signal);
  }

  sendCheckpoint(checkpoint: SiemCheckpoint, signal: AbortSignal): Promise<void> {
    return this.#give([this.#options.checkpointMessageOf(checkpoint)], signal);
  }

  async #give(messages: readonly string[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const socket = this.#socket ?? (await this.#dial(signal));
    const frames = messages.map(frame);
    await this.#within(signal, limits.siemSendMs, 'take records', (done, fail) => {
      socket.write(Buffer.concat(frames), (error) => (error ? fail(error) : done()));
    });
    this.#sentAt = performance.now();
  }

  async confirm(signal: AbortSignal): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined) return;
    const restMs = this.#sentAt + limits.siemSettleMs - performance.now();
    if (restMs > 0) await this.#within(signal, limits.siemConfirmWaitMs, 'stay', (done) => setTimeout(done, restMs));
    await this.#within(signal, limits.siemConfirmWaitMs, 'end its side of the connection', (done) => {
      socket.once('end', done);
      socket.end();
    });
    this.cut();
    await this.#dial(signal);
  }

  cut(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#broken = undefined;
    socket?.destroy();
  }

  async #dial(signal: AbortSignal): Promise<TLSSocket> {
    const { address, serverName, tls } = this.#options;
    const servername = serverName ?? address.host;
    const options: ConnectionOptions & { readonly allowHalfOpen: boolean } = {
      host: address.host,
      port: address.port,
      // An address is no name that TLS could ask for; the certificate is compared with it all the same.
      ...(isIP(servername) === 0 ? { servername } : {}),
      // The other side’s end must not end ours: `confirm` waits for it.
      allowHalfOpen: true,
      ...tlsOptions(tls),
    };
    const socket = connect(options);
    this.#socket = socket;
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {});
    this.#broken = promise;
    let closing: Error | undefined;
    socket.on('error', (error) => {
      closing = error;
    });
    socket.on('close', () => reject(this.#unreachable(closing?.message ?? 'the receiver closed the connection')));
    // Whatever a receiver says has no meaning here, but unread it would keep its end from being seen.
    let heard = 0;
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.length;
      if (heard > limits.siemAnswerBytesMax) socket.destroy(new Error('it says more than a receiver has to say'));
    });
    // It has no reason to end first, and what was sent before may be lost with it.
    socket.on('end', () => socket.writableEnded || socket.destroy());
    await this.#within(signal, limits.siemConnectMs, 'answer', (done) => socket.once('secureConnect', done));
    return socket;
  }

  /** Waits for one thing on the connection, until it breaks, the time is over, or nobody waits any more. */
  async #within(
    signal: AbortSignal,
    ms: number,
    what: string,
    begin: (done: () => void, fail: (error: Error) => void) => void,
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(this.#unreachable(`it did not ${what} within ${ms} ms`)), ms);
    const aborted = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', aborted);
    try {
      begin(resolve, reject);
      await Promise.race([promise, this.#broken]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
    }
  }

  #unreachable(why: string): CaxtonError {
    return new CaxtonError('UNREACHABLE', `The syslog receiver ${addressText(this.#options.address)}: ${why}.`);
  }
}

function frame(message: string): Buffer {
  const bytes = Buffer.from(message);
  return Buffer.concat([Buffer.from(`${bytes.length} `), bytes]);
}
