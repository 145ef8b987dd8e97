import { inspect, isDeepStrictEqual } from 'node:util';

/**
 * What a message is expected to be: one of a kind (its `type`; an agent’s message: its performative), one that a function
 * says yes to, or one that has these fields, whatever others it has.
 */
export type Pattern<M> = string | ((message: M) => boolean) | { readonly [K in keyof M]?: unknown };

/** Whether a message is as expected. `kind`: what it is called. */
export function matches<M extends object>(pattern: Pattern<M> | undefined, message: M, kind: unknown): boolean {
  if (pattern === undefined) return true;
  if (typeof pattern === 'string') return kind === pattern;
  if (typeof pattern === 'function') return pattern(message);
  return Object.entries(pattern).every(([name, value]) => isDeepStrictEqual(message[name as keyof M], value));
}

/**
 * Gives each pattern a message of its own; the pattern that is left without one when that cannot be done. Tries again
 * with other messages when an earlier pattern has taken the only one that fits a later one.
 */
export function leftOver<P, M>(
  patterns: readonly P[],
  messages: readonly M[],
  fits: (pattern: P, message: M) => boolean,
): P | undefined {
  const takenBy = new Map<number, P>();
  const place = (pattern: P, tried: Set<number>): boolean => {
    for (const [index, message] of messages.entries()) {
      if (tried.has(index) || !fits(pattern, message)) continue;
      tried.add(index);
      const before = takenBy.get(index);
      if (before !== undefined && !place(before, tried)) continue;
      takenBy.set(index, pattern);
      return true;
    }
    return false;
  };
  return patterns.find((pattern) => !place(pattern, new Set()));
}

/** A pattern or a message in words. */
export function shown(value: unknown): string {
  if (typeof value === 'function') return value.name === '' ? 'what a function says yes to' : value.name;
  return inspect(value, { depth: 3, maxArrayLength: 10, maxStringLength: 200, breakLength: 120 });
}
