import { expect, it } from 'vitest';
import { listenError } from '../../src/actors/listen-error.ts';

it.each([
  ['EADDRINUSE', 'ADDRESS_IN_USE', 'is taken by another process'],
  ['EACCES', 'CONFIG_INVALID', 'needs rights that this process does not have'],
  ['EADDRNOTAVAIL', 'CONFIG_INVALID', 'is no address of this machine'],
  ['ENOTFOUND', 'CONFIG_INVALID', 'has a host name that nobody knows'],
  ['ESTRANGE', 'CONFIG_INVALID', 'cannot be used: ESTRANGE'],
])('a port that cannot be had for %s is told of in words', (code, expected, words) => {
  const error = listenError(Object.assign(new Error('x'), { code }), { host: '10.0.0.1', port: 7 }, 'TCP');
  expect([error.code, error.message]).toEqual([expected, `10.0.0.1:7 (TCP) ${words}.`]);
});
