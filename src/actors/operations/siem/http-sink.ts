import { Agent, type RequestOptions, request } from 'node:https';
import { CaxtonError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { AuditRecord } from '../../../protocols/audit/record.ts';
import { NotNow, type SiemCheckpoint, type SiemSink, Unwanted } from './sink.ts';
import { type SinkTls, tlsOptions } from './syslog-sink.ts';

export interface HttpSinkOptions {
  /** `https:` only. */
  readonly url: string;
  readonly tls: SinkTls;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyOf: (records: readonly AuditRecord[]) => string;
  readonly checkpointBodyOf: (checkpoint: SiemCheckpoint) => string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Why a 2xx answer is no acceptance after all; `undefined` when it is one. */
  readonly refusalIn: (answer: string) => string | undefined;
}

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly text: string;
}

/** Records as the bodies of POST requests, one after the other over one connection; a 2xx answer confirms them. */
export class HttpSink implements SiemSink {
  readonly confirmsEach = true;
  readonly #options: HttpSinkOptions;
  #agent: Agent | undefined;

  constructor(options: HttpSinkOptions) {
    this.#options = options;
  }

  send(records: readonly AuditRecord[], signal: AbortSignal): Promise<void> {
    return this.#give(this.#options.bodyOf(records), signal);
  }

  sendCheckpoint(checkpoint: SiemCheckpoint, signal: AbortSignal): Promise<void> {
    return this.#give(this.#options.checkpointBodyOf(checkpoint), signal);
  }

  async #give(body: string, signal: AbortSignal): Promise<void> {
    const { refusalIn, now, url, headers } = this.#options;
    const answer = await this.#post(body, signal);
    const { status, retryAfter } = answer;
    const said = withoutSecrets(answer.text, url, headers);
    if (status >= 200 && status < 300) {
      const why = refusalIn(said);
      if (why !== undefined) throw new Unwanted(this.#refused(why).message);
      return;
    }
    const why = `it answered ${status}${said === '' ? '' : `: ${said.slice(0, 200)}`}`;
    const { message } = this.#refused(why);
    if (status === 429 || status === 503) throw new NotNow(message, retryAfterMs(retryAfter, now()));
    throw unwanted.has(status) ? new Unwanted(message) : this.#refused(why);
  }

  async confirm(): Promise<void> {}

  cut(): void {
    this.#agent?.destroy();
    this.#agent = undefined;
  }

  #post(body: string, signal: AbortSignal): Promise<Answer> {
    const { url, tls, headers } = this.#options;
    this.#agent ??= new Agent({ keepAlive: true, maxSockets: 1, ...tlsOptions(tls) });
    const bytes = Buffer.from(body);
    const options: RequestOptions = {
      method: 'POST',
      agent: this.#agent,
      headers: { ...headers, 'content-type': 'application/json', 'content-length': bytes.length },
      signal: AbortSignal.any([signal, AbortSignal.timeout(limits.siemSendMs)]),
    };
    return new Promise((resolve, reject) => {
      const call = request(url, options, (response) => {
        const chunks: Buffer[] = [];
        let length = 0;
        const done = (): void =>
          resolve({
            status: response.statusCode ?? 0,
            retryAfter: response.headers['retry-after'],
            text: Buffer.concat(chunks).toString(),
          });
        response.on('data', (chunk: Buffer) => {
          length += chunk.length;
          if (length <= limits.siemAnswerBytesMax) return chunks.push(chunk);
          // The rest of a long answer is of no interest, and may have no end.
          done();
          response.destroy();
        });
        response.on('end', done);
        response.on('error', (error) => reject(this.#unreachable(error)));
      });
      call.on('error', (error) => reject(this.#unreachable(error)));
      call.end(bytes);
    });
  }

  #refused(why: string): CaxtonError {
    return new CaxtonError(
      'UNREACHABLE',
      `The receiver at ${originOf(this.#options.url)} did not take the records: ${why}.`,
    );
  }

  #unreachable(error: Error): CaxtonError {
    const { code } = error as NodeJS.ErrnoException;
    return new CaxtonError(
      'UNREACHABLE',
      `The receiver at ${originOf(this.#options.url)} cannot be reached: ${code ?? error.message}.`,
      { cause: error },
    );
  }
}

/**
 * What is told of an answer goes to the log and to whoever asks for the state; some proxies answer with the request that
 * they did not understand.
 */
function withoutSecrets(text: string, url: string, headers: HttpSinkOptions['headers']): string {
  const { pathname, search, searchParams } = new URL(url);
  const words = Object.values(headers).flatMap((value) => value.split(' '));
  return [pathname + search, pathname, ...searchParams.values(), ...words]
    .filter((secret) => secret.length >= secretCharsMin)
    .reduce((safe, secret) => safe.replaceAll(secret, '…'), text);
}
/** A word that is shorter is none, and stands in many answers. */
const secretCharsMin = 8;

/** Without path and query, which may hold a secret. */
const originOf = (url: string): string => new URL(url).origin;

/** Malformed, too large, unprocessable: what is said of the records, and not of who brings them. */
const unwanted: ReadonlySet<number> = new Set([400, 413, 422]);

/** Retry-After in seconds or as a date (RFC 9110, 10.2.3). */
function retryAfterMs(value: string | undefined, nowMs: number): number {
  if (value === undefined) return 0;
  if (/^\d{1,6}$/.test(value)) return Number(value) * 1_000;
  const until = Date.parse(value);
  return Number.isNaN(until) ? 60_000 : Math.max(0, until - nowMs);
}
