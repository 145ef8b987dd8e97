import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type AgentId, isName } from '../../names.ts';
import { isPerformative, type Performative } from '../acl/performative.ts';
import { parsed, type Shape, text } from '../json/shape.ts';
import { shown } from '../json/text.ts';

/**
 * An action on a resource: `request agent:default/echo`, `call tool:files/read`. `*` stands for every verb, or, as the
 * last segment, for everything below what comes before it. Nowhere else, so that whether one action contains another
 * can be decided by looking at both.
 */
export interface Action {
  /** A performative for agents, `call` for tools, or `*`. */
  readonly verb: Performative | 'call' | '*';
  readonly kind: ResourceKind;
  /** At least one; only the last can be `*`. */
  readonly segments: readonly [string, ...string[]];
}

export type ResourceKind = 'agent' | 'tool';

interface Grammar {
  readonly isVerb: (text: string) => boolean;
  readonly verbs: string;
  readonly isSegment: (text: string) => boolean;
  /** Segments of one resource; a set of them, ending in `*`, may have fewer. */
  readonly segments: number;
  readonly form: string;
}

const toolSegment = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/;

/** All that is particular to a kind of resource. */
const grammars: Readonly<Record<ResourceKind, Grammar>> = {
  agent: {
    isVerb: isPerformative,
    verbs: 'a performative',
    isSegment: isName,
    segments: 2,
    form: 'agent:tenant/name, agent:tenant/* or agent:*',
  },
  tool: {
    isVerb: (text) => text === 'call',
    verbs: '“call”',
    isSegment: (text) => toolSegment.test(text),
    segments: 2,
    form: 'tool:server/name, tool:server/* or tool:*',
  },
};

const isKind = (text: string): text is ResourceKind => Object.hasOwn(grammars, text);

/** Reads `<verb> <kind>:<segments…>`, at most `limits.actionCharsMax` characters. MALFORMED. */
export function parseAction(text: string): Result<Action> {
  if (text.length > limits.actionCharsMax)
    return refuse('MALFORMED', `An action has at most ${limits.actionCharsMax} characters.`);
  const space = text.indexOf(' ');
  const colon = text.indexOf(':', space + 1);
  if (space < 1 || colon < 0)
    return refuse('MALFORMED', `Expected “<verb> <kind>:<resource>”, found “${shown(text)}”.`);
  const verb = text.slice(0, space);
  const kind = text.slice(space + 1, colon);
  const resource = text.slice(colon + 1);
  if (!isKind(kind))
    return refuse(
      'MALFORMED',
      `Expected a resource of kind ${Object.keys(grammars).join(' or ')} in “${shown(text)}”.`,
    );
  const grammar = grammars[kind];
  if (verb !== '*' && !grammar.isVerb(verb))
    return refuse('MALFORMED', `Expected ${grammar.verbs} or * before ${kind}:, found “${shown(verb)}”.`);
  const segments = segmentsOf(resource, grammar);
  if (!segments) return refuse('MALFORMED', `Expected ${grammar.form}, found “${shown(`${kind}:${resource}`)}”.`);
  return ok({ verb: verb as Action['verb'], kind, segments });
}

function segmentsOf(resource: string, grammar: Grammar): Action['segments'] | undefined {
  const [first, ...rest] = resource.split('/', grammar.segments + 1);
  if (first === undefined) return undefined;
  const segments: Action['segments'] = [first, ...rest];
  const open = segments.at(-1) === '*';
  if (segments.length > grammar.segments || (!open && segments.length < grammar.segments)) return undefined;
  const named = open ? segments.slice(0, -1) : segments;
  return named.every(grammar.isSegment) ? segments : undefined;
}

/** The text that `parseAction` reads. */
export const actionText = (action: Action): string => `${action.verb} ${action.kind}:${action.segments.join('/')}`;

/** Accepts a text that `parseAction` reads, and keeps it as it is: an action has one text only. */
export const actionTextShape: Shape<string> = parsed(text(limits.actionCharsMax), (found) => {
  const read = parseAction(found);
  return read.ok ? ok(found) : read;
});

/** What a message needs: `<performative> agent:<receiver>`. */
export function actionOfMessage(performative: Performative, receiver: AgentId): Action {
  const slash = receiver.indexOf('/');
  return { verb: performative, kind: 'agent', segments: [receiver.slice(0, slash), receiver.slice(slash + 1)] };
}

/** Whether everything that `wanted` stands for is in `granted`. A partial order: reflexive and transitive. */
export function covers(granted: Action, wanted: Action): boolean {
  if (granted.kind !== wanted.kind) return false;
  if (granted.verb !== '*' && granted.verb !== wanted.verb) return false;
  const given = granted.segments;
  const asked = wanted.segments;
  const open = given.at(-1) === '*';
  if (open ? asked.length < given.length : asked.length !== given.length) return false;
  const fixed = open ? given.length - 1 : given.length;
  for (let i = 0; i < fixed; i++) if (given[i] !== asked[i]) return false;
  return true;
}
