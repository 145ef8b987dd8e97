import { z } from 'zod';

/** Kinds of values that several blocks of the configuration have; each says what it expects, bounds and all. */

const printable = /^[^\p{Cc}]*$/u;

/** A text of 1 to `charsMax` characters, none of which steers a terminal or ends a path. `what` with its article. */
export const text = (what: string, charsMax: number) => {
  const expected = `expected ${what}, of 1 to ${charsMax} characters`;
  return z
    .string({ error: expected })
    .min(1, expected)
    .max(charsMax, expected)
    .regex(printable, `expected ${what} without control characters`);
};

export const path = text('a path', 4_096);

export const wholeNumber = (min: number, max: number) => {
  const expected = `expected a whole number from ${min} to ${max}`;
  return z.int({ error: expected }).min(min, expected).max(max, expected);
};

export const listOf = <T extends z.ZodType>(item: T, what: string, min: number, max: number) => {
  const expected = `expected a list of ${min} to ${max} ${what}`;
  return z.array(item, { error: expected }).min(min, expected).max(max, expected);
};
