import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AgentId } from '../../../src/names.ts';
import { performatives } from '../../../src/protocols/acl/performative.ts';
import {
  type Action,
  actionOfMessage,
  actionText,
  covers,
  parseAction,
} from '../../../src/protocols/authorization/action.ts';

const action = (text: string): Action => {
  const parsed = parseAction(text);
  if (!parsed.ok) throw new Error(parsed.refusal.reasons.join(' '));
  return parsed.value;
};

// A small world, so that the twin can list everything that an action stands for.
const verbs = ['request', 'inform', 'cfp'] as const;
const names = ['a', 'b', 'c'];
const anyAction = fc
  .record({
    verb: fc.constantFrom('*', ...verbs),
    resource: fc.oneof(
      fc.constant('*'),
      fc.constantFrom(...names).map((name) => `${name}/*`),
      fc.tuple(fc.constantFrom(...names), fc.constantFrom(...names)).map((parts) => parts.join('/')),
    ),
  })
  .map(({ verb, resource }) => action(`${verb} agent:${resource}`));

/** The dumb twin: all concrete actions of the small world that an action stands for, by text alone. */
function meaning(granted: Action): Set<string> {
  const found = new Set<string>();
  const [verb, resource] = actionText(granted).split(' agent:') as [string, string];
  for (const someVerb of verbs)
    for (const tenant of names)
      for (const name of names) {
        const named = resource === '*' || resource === `${tenant}/*` || resource === `${tenant}/${name}`;
        if (named && (verb === '*' || verb === someVerb)) found.add(`${someVerb} ${tenant}/${name}`);
      }
  return found;
}

describe('an action on a resource', () => {
  it.each([
    'request agent:default/echo',
    'query-ref agent:default/*',
    '* agent:*',
    'call tool:files/read_file',
    'call tool:Files.v2/*',
    '* tool:*',
  ])('reads and writes %s', (text) => {
    expect(actionText(action(text))).toBe(text);
  });

  it.each([
    ['nothing', ''],
    ['no resource', 'request'],
    ['no kind', 'request default/echo'],
    ['no verb', ' agent:default/echo'],
    ['a verb that is no performative', 'requst agent:default/echo'],
    ['a verb of another kind', 'call agent:default/echo'],
    ['a performative for a tool', 'request tool:a/b'],
    ['an unknown kind', 'request planet:a/b'],
    ['a kind from Object', 'request toString:a/b'],
    ['a star inside', 'request agent:*/echo'],
    ['a star within a segment', 'request agent:default/e*'],
    ['a star in the verb', 're* agent:default/echo'],
    ['two spaces', 'request  agent:default/echo'],
    ['a space at the end', 'request agent:default/echo '],
    ['one segment', 'request agent:default'],
    ['three segments', 'request agent:default/echo/x'],
    ['a star below an agent', 'request agent:default/echo/*'],
    ['an empty segment', 'request agent:/echo'],
    ['a name that is not one', 'request agent:Default/echo'],
    ['a way out', 'call tool:../read'],
    ['too long', `request agent:default/${'x'.repeat(300)}`],
  ])('refuses %s', (_, text) => {
    const parsed = parseAction(text);
    expect(parsed.ok ? 'ok' : parsed.refusal.code).toBe('MALFORMED');
  });

  it('of a message has the text that a token grants', () => {
    for (const performative of performatives) {
      const wanted = actionOfMessage(performative, 'default/echo' as AgentId);
      expect(wanted).toEqual(action(`${performative} agent:default/echo`));
    }
  });
});

describe('containment', () => {
  it('agrees with the sets of everything that the actions stand for', () => {
    fc.assert(
      fc.property(anyAction, anyAction, (granted, wanted) => {
        const all = meaning(granted);
        expect(covers(granted, wanted)).toBe([...meaning(wanted)].every((one) => all.has(one)));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is reflexive and transitive', () => {
    fc.assert(
      fc.property(anyAction, anyAction, anyAction, (a, b, c) => {
        expect(covers(a, a)).toBe(true);
        if (covers(a, b) && covers(b, c)) expect(covers(a, c)).toBe(true);
        if (covers(a, b) && covers(b, a)) expect(actionText(a)).toBe(actionText(b));
      }),
      { numRuns: 2_000 },
    );
  });

  it('never crosses from one kind to another', () => {
    expect(covers(action('* agent:*'), action('call tool:a/b'))).toBe(false);
    expect(covers(action('* tool:*'), action('request agent:a/b'))).toBe(false);
  });

  it('does not take a name for a prefix of another', () => {
    expect(covers(action('request agent:def/*'), action('request agent:default/echo'))).toBe(false);
    expect(covers(action('request agent:default/ech'), action('request agent:default/echo'))).toBe(false);
  });
});
