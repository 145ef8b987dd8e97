import { isIP } from 'node:net';

/** Milliseconds in the units that durations are written in. */
const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const durationForm = /^(\d{1,9})(ms|s|m|h|d)$/;

/** `500ms`, `30s`, `5m`, `24h`, `90d` in milliseconds; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const found = durationForm.exec(text);
  if (!found) return undefined;
  const ms = Number(found[1]) * units[found[2] as keyof typeof units];
  return Number.isSafeInteger(ms) ? ms : undefined;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const hostName = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;
/** 127.0.0.256, 127.1 and 0x7f.1 are no names: resolvers read some of them as addresses, each its own way. */
const endsInNumber = /(^|\.)(\d+|0[xX][0-9A-Fa-f]*)$/;

/** `host:port`, an IPv6 host in brackets; port 0 means one that the system gives. Undefined for anything else. */
export function parseHostPort(text: string): HostPort | undefined {
  const bracketed = /^\[([0-9a-fA-F:.]+)\]:(\d{1,5})$/.exec(text);
  const plain = /^([^:[\]]+):(\d{1,5})$/.exec(text);
  const host = bracketed?.[1] ?? plain?.[1];
  const port = Number(bracketed?.[2] ?? plain?.[2]);
  if (host === undefined || port > 65_535) return undefined;
  if (bracketed ? isIP(host) !== 6 : isIP(host) === 0 && (!hostName.test(host) || endsInNumber.test(host)))
    return undefined;
  return { host, port };
}

/** Whether a host is this machine and nobody else can reach it. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

/** Whether a host stands for every interface (0.0.0.0, `::` in any spelling): one can listen there, not dial it. */
export const isWildcard = (host: string): boolean => /^[0:.]+$/.test(host);
