import { expect, it } from 'vitest';
import { readDuration } from '../../src/cli/duration.ts';

it.each([
  ['0s', 0],
  ['500ms', 500],
  ['5s', 5_000],
  ['1.5m', 90_000],
  ['1h', 3_600_000],
])('reads %s as %i ms', (text, ms) => {
  expect(readDuration(text, 'timeout')).toBe(ms);
});

it.each(['', '5', 's', '-1s', '5 s', '1e3ms', '61m', '5d', '0x5s', 'Infinitys'])('refuses “%s”', (text) => {
  expect(() => readDuration(text, 'timeout')).toThrow('--timeout is a time');
});
