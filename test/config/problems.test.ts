import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, nearest, readYaml } from '../../src/config/problems.ts';

describe('the line of a key', () => {
  const yaml = readYaml('a: 1\n\nb:\n  # why\n  c: [x, y]\n  d:\n    - p\n    - q\n');

  it.each<[readonly PropertyKey[], number | undefined]>([
    [['a'], 1],
    [['b', 'c'], 5],
    [['b', 'd', 1], 8],
    [['b', 'd', 9], 7],
    [['nothing'], undefined],
  ])('%j', (path, line) => {
    expect(yaml.lineOf(path)).toBe(line);
  });
});

describe('the nearest name', () => {
  it.each([
    ['verifypeer', 'verify_peer'],
    ['enable', 'enabled'],
    ['logpath', 'log_path'],
    ['something_else_entirely', undefined],
  ])('to %s is %s', (word, expected) => {
    expect(nearest(word, ['enabled', 'verify_peer', 'log_path', 'retention_days'])).toBe(expected);
  });

  it('is measured by a distance: zero for the same, symmetric, and no detour is shorter', () => {
    const word = fc.string({ maxLength: 10 });
    fc.assert(
      fc.property(word, word, word, (a, b, c) => {
        expect(editDistance(a, a)).toBe(0);
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
      }),
    );
  });
});
