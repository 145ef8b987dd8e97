import fc from 'fast-check';
import { expect, it } from 'vitest';
import { editDistance, nearest } from '../../src/config/nearest.ts';

it.each([
  ['', '', 0],
  ['send', 'send', 0],
  ['snd', 'send', 1],
  ['sned', 'send', 1],
  ['sends', 'send', 1],
  ['kitten', 'sitting', 3],
])('from %s to %s it is %i letters', (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance);
});

it('is a distance', () => {
  const word = fc.string({ maxLength: 8 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b);
      expect(distance).toBe(editDistance(b, a));
      expect(distance === 0).toBe(a === b);
      expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
      expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
    }),
  );
});

it.each([
  ['mem', 'members'],
  ['agents', 'agent'],
  ['verfiy', 'verify'],
  ['reten_days', 'retention_days'],
  ['verifypeer', 'verify_peer'],
  ['something_else_entirely', undefined],
  ['xyzzy', undefined],
  ['', undefined],
  ['m'.repeat(10_000), undefined],
])('for %s it proposes %s', (word, proposal) => {
  expect(nearest(word, ['members', 'agent', 'verify', 'audit', 'verify_peer', 'retention_days'])).toBe(proposal);
});
