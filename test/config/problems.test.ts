import { describe, expect, it } from 'vitest';
import { faultTexts, readYaml } from '../../src/config/problems.ts';

describe('the line of a key', () => {
  const yaml = readYaml('a: 1\n\nb:\n  # why\n  c: [x, y]\n  d:\n    - p\n    - q\n');

  it.each<[readonly PropertyKey[], number | undefined]>([
    [['a'], 1],
    [['b'], 3],
    [['b', 'c'], 5],
    [['b', 'c', 1], 5],
    [['b', 'd'], 6],
    [['b', 'd', 1], 8],
    [['b', 'd', 9], 6],
    [['b', 'd', 'x', 'y'], 6],
    [['nothing'], undefined],
  ])('%j', (path, line) => {
    expect(yaml.lineOf(path)).toBe(line);
  });
});

describe('what is not YAML', () => {
  it.each<[string, string, RegExp]>([
    ['a bracket that is never closed', 'a: 1\nb: [1, 2\n', /^f\.yaml:[23]: /],
    ['a tab for indentation', 'a:\n\tb: 1\n', /^f\.yaml:2: /],
    ['a key twice', 'a: 1\nb: 2\na: 3\n', /^f\.yaml:3: .*unique/],
    ['an alias', 'a: &x [1]\n\nb: *x\n', /^f\.yaml:3: aliases/],
    ['a second document', 'a: 1\n---\nb: 2\n', /^f\.yaml:\d: /],
  ])('%s is named with file and line, and gives no value', (_, text, expected) => {
    const yaml = readYaml(text);
    const [first = ''] = faultTexts(yaml, 'f.yaml');
    expect(first).toMatch(expected);
    expect(first).not.toMatch(/column|\n/);
    expect(yaml.value).toBeUndefined();
  });

  it('such as a depth that would end the stack is a fault, not a throw', () => {
    expect(faultTexts(readYaml('['.repeat(50_000)), 'f.yaml').join()).toMatch(/^f\.yaml/);
  });
});
