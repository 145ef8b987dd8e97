import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { performativesOf } from '../../../src/actors/agents/contract.ts';
import { type Check, judgeContent } from '../../../src/actors/kernel/check.ts';

const order = z.object({ to: z.string().min(1), cents: z.int().positive() });
const isText = (content: unknown): content is string => typeof content === 'string';
const schema = (validate: (value: unknown) => unknown): Check => ({ '~standard': { version: 1, validate } });

describe('judging content', () => {
  it('lets content through that a predicate accepts, as it is', () => {
    const content = 'hello';
    expect(judgeContent(isText, content)).toEqual({ content });
    expect(judgeContent(isText, 5)).toEqual({ problems: 'not of the expected form' });
  });

  it('gives content the form that the schema gave it', () => {
    expect(judgeContent(order, { to: 'mill', cents: 5, extra: true })).toEqual({ content: { to: 'mill', cents: 5 } });
    expect(judgeContent(z.string().transform(Number), '7')).toEqual({ content: 7 });
  });

  it('says where and what is wrong', () => {
    expect(judgeContent(order, { to: '', cents: 0.5 })).toEqual({
      problems: expect.stringMatching(/^to: .*; cents: /),
    });
    expect(judgeContent(order, undefined)).toEqual({ problems: expect.stringContaining('object') });
  });

  it('names at most five problems, shortly', () => {
    const issues = Array.from({ length: 50 }, (_, i) => ({
      message: `wrong ${i} ${'x'.repeat(300)}`,
      path: ['a', { key: i }],
    }));
    const judged = judgeContent(
      schema(() => ({ issues })),
      1,
    );
    expect(judged).toEqual({ problems: expect.stringMatching(/^a\.0: wrong 0 /) });
    expect((judged as { problems: string }).problems.length).toBeLessThanOrEqual(501);
  });

  it.each<[string, Check]>([
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    [
      'throws no error',
      () => {
        throw 'no';
      },
    ],
    ['is a predicate that answers later', (() => Promise.resolve(true)) as never],
    ['is a predicate that fails later', (() => Promise.reject(new Error('no'))) as never],
    ['is a predicate that says something true', (() => 'yes') as never],
    ['answers later', schema(() => Promise.resolve({ value: 1 }))],
    ['fails later', schema(() => Promise.reject(new Error('no')))],
    ['answers with nothing', schema(() => undefined)],
    ['answers with null', schema(() => null)],
    ['finds issues without saying which', schema(() => ({ issues: [] }))],
  ])('refuses when the check %s', (_, check) => {
    expect(judgeContent(check, 1)).toHaveProperty('problems');
  });

  it('never throws and never lets through what a schema refuses', () => {
    fc.assert(
      fc.property(fc.anything(), (content) => {
        const judged = judgeContent(order, content);
        expect('content' in judged).toBe(order.safeParse(content).success);
      }),
    );
  });
});

describe('the performatives of checks', () => {
  it('come in the order of the wire, without those that are undefined', () => {
    expect(performativesOf({ subscribe: isText, request: isText, agree: isText })).toEqual([
      'agree',
      'request',
      'subscribe',
    ]);
  });
});
