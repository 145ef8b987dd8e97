import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AnswerShape, answers, misfit } from '../../src/client/answer-shape.ts';

const shape = { a: 'text', 'b?': { c: 'number' }, d: [{ e: 'flag' }] } as const;

describe('the shape of an answer', () => {
  it.each<[unknown]>([
    [{ a: '', d: [] }],
    [{ a: 'x', b: { c: 1 }, d: [{ e: true }, { e: false }] }],
    [{ a: 'x', d: [{ e: true, more: 1 }], more: {} }],
  ])('fits %j', (value) => {
    expect(misfit(value, shape)).toBeUndefined();
  });

  it.each<[unknown, string]>([
    [null, 'the whole'],
    [[], 'the whole'],
    ['x', 'the whole'],
    [{}, 'a'],
    [{ a: 1, d: [] }, 'a'],
    [{ a: 'x' }, 'd'],
    [{ a: 'x', d: {} }, 'd'],
    [{ a: 'x', b: null, d: [] }, 'b'],
    [{ a: 'x', b: {}, d: [] }, 'b.c'],
    [{ a: 'x', d: [{ e: true }, { e: 1 }] }, 'd[1].e'],
    [{ a: 'x', d: [null] }, 'd[0]'],
  ])('does not fit %j, at %s', (value, place) => {
    expect(misfit(value, shape)).toBe(place);
  });

  it('is not found in what every object inherits', () => {
    const inherited = (name: string): AnswerShape => ({ [name]: 'object' });
    expect(misfit({}, inherited('toString'))).toBe('toString');
    expect(misfit({}, inherited('constructor'))).toBe('constructor');
  });

  it('is judged of any JSON, without a throw', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        for (const known of Object.values<AnswerShape>(answers)) misfit(value, known);
      }),
    );
  });
});
