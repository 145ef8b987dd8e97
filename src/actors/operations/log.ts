import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';

export type Log = Logger;

/** Names under which keys, tokens and the like could ever be logged: what stands there is never written. */
const secrets = ['key', 'apiKey', 'token', 'authorization', 'password', 'secret', 'capability', 'privateKey', 'keyPem'];

/**
 * The operational log, to stderr: JSON lines, or readable ones on a terminal. Never a place for audit facts; they have
 * a log of their own.
 */
export function createLog(options: { readonly level: string; readonly pretty: boolean }): Log {
  const settings = {
    level: options.level,
    redact: { paths: secrets.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[secret]' },
  };
  return options.pretty
    ? pino(settings, pretty({ destination: 2, sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' }))
    : pino(settings, pino.destination({ dest: 2, sync: false }));
}
