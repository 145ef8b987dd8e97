import { expect, test } from 'vitest';
import { isPerformative, performatives } from '../../../src/protocols/acl/performative.ts';

test('the codes on the wire are FIPA’s 22 acts in alphabetical order, and stay so', () => {
  expect(performatives).toHaveLength(22);
  expect(new Set(performatives).size).toBe(22);
  expect(performatives.indexOf('accept-proposal')).toBe(0);
  expect(performatives.indexOf('inform')).toBe(7);
  expect(performatives.indexOf('refuse')).toBe(16);
  expect(performatives.indexOf('subscribe')).toBe(21);
});

test('only these are performatives, in this spelling', () => {
  expect(performatives.every(isPerformative)).toBe(true);
  for (const text of ['', 'Inform', 'inform ', 'inform_if', 'constructor', '__proto__', 'shout'])
    expect(isPerformative(text), text).toBe(false);
});
