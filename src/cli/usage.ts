import { parseArgs } from 'node:util';
import { nearest } from '../config/nearest.ts';
import { type Invocation, type Options, type RawVerb, UsageError, type Verb } from './command.ts';
import type { Terminal } from './terminal.ts';

type AnyVerb = Verb | RawVerb;

const namesOf = (verbs: readonly AnyVerb[], noun: string): string[] =>
  verbs.filter((verb) => verb.noun === noun).map(({ verb }) => verb);
const nounsOf = (verbs: readonly AnyVerb[]): string[] => [...new Set(verbs.map(({ noun }) => noun))];

/** Words that stand where a noun does. */
const plainWords = ['help', 'version'];

/** The verb that `noun verb` names. UsageError with the nearest word when there is none. */
export function findVerb(verbs: readonly AnyVerb[], noun: string, verb: string): AnyVerb {
  const found = verbs.find((candidate) => candidate.noun === noun && candidate.verb === verb);
  if (found) return found;
  const option = [noun, verb].find((word) => word.startsWith('-'));
  if (option !== undefined)
    throw new UsageError(`“${shown(option)}” stands before the command; options follow it.`, 'caxton --help');
  if (isNoun(verbs, noun)) throw unknown(`${noun} command`, verb, namesOf(verbs, noun), `${noun} `);
  throw unknown('command', noun, [...nounsOf(verbs), ...plainWords], '', verbsLike(verbs, noun));
}

/** What somebody meant who left out the noun: every command whose verb is the nearest to `word`. */
function verbsLike(verbs: readonly AnyVerb[], word: string): string[] {
  const near = nearest(
    word,
    verbs.map(({ verb }) => verb),
  );
  return verbs.filter(({ verb }) => verb === near).map(({ noun, verb }) => `${noun} ${verb}`);
}

export const isNoun = (verbs: readonly AnyVerb[], word: string): boolean => nounsOf(verbs).includes(word);

function unknown(
  what: string,
  word: string,
  known: readonly string[],
  before: string,
  otherwise: readonly string[] = [],
): UsageError {
  const near = nearest(word, known);
  const meant = near === undefined ? otherwise : [`${before}${near}`];
  const hint =
    meant.length === 0
      ? `Known: ${known.join(', ')}.`
      : `Did you mean ${meant.map((command) => `“caxton ${command}”`).join(' or ')}?`;
  return new UsageError(`There is no ${what} “${shown(word)}”. ${hint}`, `caxton ${before}--help`);
}

const wordCharsMax = 60;
const shown = (word: string): string => (word.length > wordCharsMax ? `${word.slice(0, wordCharsMax)}…` : word);

/** Reads a verb’s arguments. Undefined when help is asked for; UsageError when they do not fit. */
export function readArguments(verb: AnyVerb, argv: readonly string[], terminal: Terminal): Invocation | undefined {
  const known: Options = verb.options;
  const { values, tokens } = parseArgs({
    args: [...argv],
    options: {
      ...Object.fromEntries(
        Object.entries(known).map(([name, { type, short }]) => [
          name,
          { type, multiple: true, ...(short === undefined ? {} : { short }) },
        ]),
      ),
      help: { type: 'boolean', short: 'h', multiple: true },
    },
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  if (values.help !== undefined) return undefined;
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind === 'option') checkOption(token, known);
  }
  expectNoMore(words.slice(verb.argument ? 1 : 0));
  if (verb.argument && !words[0]) throw new UsageError(`${verb.argument.value} is missing.`);
  const options = values as Readonly<Record<string, readonly (string | boolean)[] | undefined>>;
  const given = verb.argument ? { ...options, [verb.argument.name]: words } : options;
  for (const [name, { required, multiple }] of Object.entries(known)) {
    if (required && given[name] === undefined) throw new UsageError(`--${name} is missing.`);
    if (!multiple && (given[name]?.length ?? 0) > 1) throw new UsageError(`--${name} is given twice.`);
  }
  // A folder to write to has the same name in some verbs, as the record gave it.
  const output = known.output?.value === 'json|table' ? given.output?.[0] : undefined;
  if (output !== undefined && output !== 'json' && output !== 'table')
    throw new UsageError(`--output is json or table, not “${shown(String(output))}”.`);
  return {
    flag: (option) => given[option] !== undefined,
    text: (option) => given[option]?.map(String).at(-1),
    list: (option) =>
      (given[option] ?? []).flatMap((value) => String(value).split(',')).filter((value) => value !== ''),
    terminal,
    json: output === 'json',
  };
}

/** UsageError when words are left over. */
export function expectNoMore([surplus]: readonly string[]): void {
  if (surplus !== undefined) throw new UsageError(`“${shown(surplus)}” is not expected here.`);
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
}

function checkOption({ name, rawName, value }: OptionToken, known: Options): void {
  const named = Object.hasOwn(known, name) ? known[name] : undefined;
  const spec = rawName.startsWith('--') || rawName === `-${named?.short}` ? named : undefined;
  if (!spec) {
    const near = nearest(name, Object.keys(known));
    throw new UsageError(`There is no option ${shown(rawName)}.${near ? ` Did you mean --${near}?` : ''}`);
  }
  if (spec.type === 'string' && (value === undefined || (value === '' && !spec.mayBeEmpty)))
    throw new UsageError(`--${name} needs a value: ${spec.value}.`);
  if (spec.type === 'boolean' && value !== undefined) throw new UsageError(`--${name} takes no value.`);
}
