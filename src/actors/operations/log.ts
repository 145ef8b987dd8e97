import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';
import { limits } from '../../limits.ts';

export type Log = Logger;

/** Names under which keys, tokens and the like could ever be logged: what stands there is never written. */
const secrets = ['key', 'apiKey', 'token', 'authorization', 'password', 'secret', 'capability', 'privateKey', 'keyPem'];
const struck = '[secret]';

/**
 * What gives itself away in the finished line, however deep it lies and also in the middle of a sentence or a stack: a
 * text under one of the names, an API key of ours, a private key as PEM.
 */
const patterns: readonly [RegExp, string][] = [
  [new RegExp(`"(${secrets.join('|')})":"(?:[^"\\\\]|\\\\.)*"`, 'gi'), `"$1":"${struck}"`],
  [/cxk_[0-9A-Za-z_]{8,}/g, struck],
  [/(\bbearer )[\w.~+/=-]+/gi, `$1${struck}`],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[^"]*?(-----END [A-Z ]*PRIVATE KEY-----|(?=")|$)/g, struck],
];

const withoutSecrets = (line: string): string =>
  patterns.reduce((text, [pattern, instead]) => text.replace(pattern, instead), line);

const cut = (text: unknown, charsMax: number): string => String(text).slice(0, charsMax);

/**
 * What was thrown, as far as a line of the log has room for it. It may be an agent’s, so it may be anything: a trap in
 * every field, or a message of fifty million characters.
 */
function thrownForLog(thrown: unknown): Readonly<Record<string, string>> {
  try {
    if (!(thrown instanceof Error)) return { type: typeof thrown, message: cut(thrown, limits.reasonCharsMax) };
    const { name, message, stack, code, cause } = thrown as Error & { readonly code?: unknown };
    return {
      type: cut(name, limits.reasonCharsMax),
      message: cut(message, limits.reasonCharsMax),
      ...(typeof code === 'string' ? { code: cut(code, limits.reasonCharsMax) } : {}),
      stack: cut(stack, limits.logStackCharsMax),
      ...(cause instanceof Error ? { cause: cut(cause.stack, limits.logStackCharsMax) } : {}),
    };
  } catch {
    return { type: 'unknown', message: 'It threw something that cannot be shown.' };
  }
}

/**
 * The operational log, to stderr: JSON lines, or readable ones on a terminal. Never a place for audit facts; they have
 * a log of their own. Keys and tokens are struck out, by name and by look.
 */
export function createLog(options: { readonly level: string; readonly pretty: boolean }): Log {
  const settings = {
    level: options.level,
    // By name it also strikes out what is no text: bytes and whole objects.
    redact: {
      paths: secrets.flatMap((name) => [name, `*.${name}`, `*.*.${name}`, `*.*.*.${name}`]),
      censor: struck,
    },
    hooks: { streamWrite: withoutSecrets },
    serializers: { err: thrownForLog },
  };
  return options.pretty
    ? pino(settings, pretty({ destination: 2, sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' }))
    : pino(settings, pino.destination({ dest: 2, sync: false }));
}
