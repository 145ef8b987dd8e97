import { isIPv6 } from 'node:net';
import type { Address } from './kernel/ports.ts';

/** `host:port`, an IPv6 host in brackets. */
export const addressText = ({ host, port }: Address): string =>
  isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
