import { isIPv6 } from 'node:net';

/** An address as people write it: an IPv4 address that came in IPv6’s clothes (`::ffff:127.0.0.1`) as IPv4. */
export function plainIp(ip: string): string {
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(ip);
  return mapped ? mapped[1]! : ip;
}

/**
 * What counts as one source for a rate limit. An IPv6 subscriber holds a /64 at least, so everything in it is one
 * source; otherwise a single host could fill the table of budgets with addresses of its own.
 */
export function rateSource(ip: string): string {
  const plain = plainIp(ip);
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = plain.split('%')[0]!.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros =
    tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0');
  const groups = [...left, ...zeros, ...right].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${groups.join(':')}::/64`;
}
