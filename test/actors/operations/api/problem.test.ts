import { expect, it } from 'vitest';
import { httpStatus, problemOf } from '../../../../src/actors/operations/api/problem.ts';
import { errorCodes } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';

it('has an error status for every code', () => {
  expect(Object.keys(httpStatus).sort()).toEqual(Object.keys(errorCodes).sort());
  for (const status of Object.values(httpStatus)) expect(status >= 400 && status <= 599).toBe(true);
});

it('bounds the reasons', () => {
  const reasons = Array.from({ length: 100 }, (_, at) => `reason ${at}`) as [string, ...string[]];
  expect(problemOf({ code: 'UNAUTHORIZED', reasons }, 'id').reasons).toHaveLength(limits.reasonsMax);
});
