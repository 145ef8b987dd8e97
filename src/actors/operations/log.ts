import pino, { type Logger } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { limits } from '../../limits.ts';
import { printable, printableLines } from '../../protocols/printable.ts';
import { nodeClock } from '../kernel/node-clock.ts';
import { LogOutput } from './log-output.ts';

export type Log = Logger;

/** Names under which keys, tokens and the like could ever be logged: what stands there is never written. */
const secrets = ['key', 'apiKey', 'token', 'authorization', 'password', 'secret', 'capability', 'privateKey', 'keyPem'];
const struck = '[secret]';

/** The same with anything before them, as in `access_token`, `x-api-key` or `vaultKey`, and what else is called so. */
const names =
  '[\\w-]{0,40}(?:key|token|authorization|password|passphrase|secret|capability|keypem|credentials?|cookie)';

/**
 * What gives itself away in the finished line, however deep it lies and also in the middle of a sentence or a stack: what
 * stands under one of the names, as text, bytes, or JSON within a text; a key or a signed document of ours; a private key
 * as PEM; what a URL or a header carries.
 */
const patterns: readonly [RegExp, string][] = [
  [new RegExp(`"(${names})":"(?:[^"\\\\]|\\\\.)*"`, 'gi'), `"$1":"${struck}"`],
  [new RegExp(`"(${names})":(?:\\[[\\d,]+\\]|\\{(?:"\\d+":\\d+,?)+\\})`, 'gi'), `"$1":"${struck}"`],
  [new RegExp(`"(${names})":\\{"type":"Buffer","data":\\[[\\d,]*\\]\\}`, 'gi'), `"$1":"${struck}"`],
  // Within a text each quote and each backslash of the JSON has a backslash of its own.
  [new RegExp(`(\\\\"${names}\\\\": ?\\\\")(?:[^"\\\\]|\\\\\\\\(?:\\\\["\\\\]|[^"\\\\]))*`, 'gi'), `$1${struck}`],
  [new RegExp(`(\\b${names}=)[^\\s"&,;\\\\]+`, 'gi'), `$1${struck}`],
  [/cxk_[0-9A-Za-z_]{8,}/g, struck],
  [/\bcx(?:cap|dep|not)\d\.[\w-]+(?:\.[\w-]+)*/g, struck],
  [/\beyJ[\w-]{8,1024}\.[\w-]+\.[\w-]+/g, struck],
  [/(\b(?:bearer|splunk|basic) )(?=\S{8,}|\S*[.~+/=])[\w.~+/=-]+/gi, `$1${struck}`],
  [/(\/\/[^/\s:@"]+:)[^@\s"/]+@/g, `$1${struck}@`],
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

const framesMax = 10;
const frame = /^ {4}at .*:\d+:\d+\)?$/;

/**
 * Of what an actor threw: what kind of thing it was and where, without its words. A parser quotes what it could not
 * read, and that is what a message said.
 */
function wordlessForLog(thrown: unknown): Readonly<Record<string, string>> {
  const { type = '', code, message = '', stack = '' } = thrownForLog(thrown) as Partial<Record<string, string>>;
  const lines = stack.slice(stack.includes(message) ? stack.indexOf(message) + message.length : 0).split('\n');
  const before = lines.findLastIndex((line) => !frame.test(line));
  return {
    type: /^[A-Za-z][A-Za-z0-9]{0,39}$/.test(type) ? type : 'unknown',
    ...(code !== undefined && /^[A-Z][A-Z0-9_]{0,39}$/.test(code) ? { code } : {}),
    stack: lines.slice(before + 1, before + 1 + framesMax).join('\n'),
  };
}

/**
 * The operational log, to stderr: JSON lines, or readable ones on a terminal. Never a place for audit facts; they have
 * a log of their own. Keys and tokens are struck out, by name and by look; what a stranger said begins no line of its own
 * and steers no terminal; and nobody waits for whoever reads it.
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
    serializers: {
      err: thrownForLog,
      // What actors threw. Whoever debugs reads it whole.
      thrown: (thrown: unknown) => (log.isLevelEnabled('debug') ? thrownForLog(thrown) : wordlessForLog(thrown)),
    },
  };
  const format = options.pretty ? readable() : oneLine;
  const dropped = (count: number): string => `${count} lines of this log were dropped: nobody took them in time`;
  const output = new LogOutput(2, (count) =>
    format(`${JSON.stringify({ level: pino.levels.values.warn, time: nodeClock.now(), msg: dropped(count) })}\n`),
  );
  const log = pino(settings, { write: (line: string) => output.write(format(line)) });
  return log;
}

/** In JSON a character and its escape are the same: so none stands there that a terminal would obey. */
const oneLine = (line: string): string => `${printable(line.trimEnd())}\n`;

function readable(): (line: string) => string {
  const pretty = prettyFactory({ ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' });
  return (line) => {
    try {
      return pretty(visible(JSON.parse(line), ''));
    } catch {
      // Striking out has left no JSON: nobody can read it well, and it is told all the same.
      return oneLine(line);
    }
  };
}

/** With what cannot be seen made visible; a stack keeps its lines, which stand indented. */
function visible(value: unknown, name: string): unknown {
  if (typeof value === 'string') return name === 'stack' || name === 'cause' ? printableLines(value) : printable(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => visible(one, ''));
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [printable(key), visible(one, key)]));
}
