import { describe, expect, it } from 'vitest';
import type { AgentId } from '../../../src/names.ts';
import {
  matchesAgent,
  matchesAny,
  parseAgentPattern,
  specificityOf,
} from '../../../src/protocols/authorization/agent-pattern.ts';

const pattern = (text: string) => {
  const parsed = parseAgentPattern(text);
  if (!parsed.ok) throw new Error(parsed.refusal.reasons[0]);
  return parsed.value;
};
const agent = (text: string) => text as AgentId;

describe('a pattern for agents', () => {
  it.each([
    ['*', 'a/b', true],
    ['a/*', 'a/b', true],
    ['a/*', 'ab/b', false],
    ['ab/*', 'a/b', false],
    ['a/b', 'a/b', true],
    ['a/b', 'a/bc', false],
    ['a/b', 'b/a', false],
  ])('%s and %s: %s', (text, name, expected) => {
    expect(matchesAgent(pattern(text), agent(name))).toBe(expected);
  });

  it.each(['', '/', 'a', '*/b', '*/*', 'a/b*', 'a/**', 'a/*/c', 'A/*', ' a/b', '../*', 'a/'])(
    'refuses “%s”',
    (text) => {
      expect(parseAgentPattern(text).ok).toBe(false);
    },
  );

  it('orders by how exactly it names', () => {
    expect(['*', 'a/*', 'a/b'].map((text) => specificityOf(pattern(text)))).toEqual([0, 1, 2]);
  });

  it('in an empty list matches nobody', () => {
    expect(matchesAny([], agent('a/b'))).toBe(false);
    expect(matchesAny([pattern('x/*'), pattern('a/*')], agent('a/b'))).toBe(true);
  });
});
