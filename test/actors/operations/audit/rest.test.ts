import { expect, it } from 'vitest';
import { Rest } from '../../../../src/actors/operations/audit/rest.ts';

it('is broken once by whatever stirs, and not while nobody rests', () => {
  const rest = new Rest();
  expect(rest.stir()).toBe(false);
  rest.begin();
  expect([rest.stir(), rest.stir()]).toEqual([true, false]);
  rest.begin();
  expect(rest.stir()).toBe(true);
});
